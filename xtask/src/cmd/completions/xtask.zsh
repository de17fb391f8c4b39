#compdef xtask
# Completions of `cargo xtask` and `xtask` for zsh, made by: cargo xtask completions zsh
__xtask_program() {
    local folder=$PWD
    while [[ -n $folder ]]; do
        if [[ -x $folder/target/debug/xtask ]]; then
            print -r -- $folder/target/debug/xtask
            return
        fi
        folder=${folder%/*}
    done
    print -r -- @XTASK@
}

# The words behind the program's name; `$1` of them are left out.
__xtask_complete() {
    local line word help
    local -a answer found
    answer=("${(@f)$("$(__xtask_program)" @COMPLETE@ "${(@)words[$1 + 1,CURRENT]}" 2>/dev/null)}")
    case $answer[1] in
        :files) compset -P '*='; _files; return ;;
        :folders) compset -P '*='; _files -/; return ;;
    esac
    for line in $answer; do
        word=${line%%$'\t'*}
        help=
        [[ $line == *$'\t'* ]] && help=${line#*$'\t'}
        [[ -n $word ]] && found+=("${word//:/\\:}${help:+:$help}")
    done
    (( $#found )) && _describe -t xtask 'xtask' found
}

_xtask() { __xtask_complete 1 }

# Whatever completed `cargo` before goes on to do so, but for `cargo xtask`.
if [[ -z ${__xtask_cargo_before-} ]]; then
    typeset -g __xtask_cargo_before=${_comps[cargo]-}
fi
__xtask_cargo() {
    local at=2
    [[ $words[2] == +* ]] && at=3
    if (( CURRENT > at )) && [[ $words[at] == xtask ]]; then
        __xtask_complete $at
    elif [[ -n $__xtask_cargo_before && $__xtask_cargo_before != __xtask_cargo ]]; then
        $__xtask_cargo_before "$@"
    else
        _default "$@"
    fi
}

compdef _xtask xtask
compdef __xtask_cargo cargo
