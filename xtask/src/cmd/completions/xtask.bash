# Completions of `cargo xtask` and `xtask` for bash, made by: cargo xtask completions bash
__xtask_program() {
    local folder=$PWD
    while [ -n "$folder" ]; do
        if [ -x "$folder/target/debug/xtask" ]; then
            printf '%s\n' "$folder/target/debug/xtask"
            return
        fi
        folder=${folder%/*}
    done
    printf '%s\n' @XTASK@
}

# The words behind the program's name, the one at the cursor last. COMP_WORDS will not do: bash splits it at `=`.
__xtask_complete() {
    local line=${COMP_LINE:0:COMP_POINT} skip=$1 words word rest answer
    read -ra words <<<"$line"
    case $line in *[[:space:]]) words+=("") ;; esac
    COMPREPLY=()
    word=${words[${#words[@]} - 1]}
    answer=$("$(__xtask_program)" @COMPLETE@ "${words[@]:skip}" 2>/dev/null) || return 0
    case $answer in
        :files) mapfile -t COMPREPLY < <(compgen -f -- "${word##*=}"); compopt -o filenames; return 0 ;;
        :folders) mapfile -t COMPREPLY < <(compgen -d -- "${word##*=}"); compopt -o filenames; return 0 ;;
        "") return 0 ;;
    esac
    # What stands before `=` is no part of the word that bash replaces.
    case $word in *=*) rest=${word%%=*}= ;; *) rest= ;; esac
    while IFS=$'\t' read -r word _; do COMPREPLY+=("${word#"$rest"}"); done <<<"$answer"
}

__xtask_itself() { __xtask_complete 1; }

# Whatever completed `cargo` before goes on to do so, but for `cargo xtask`.
declare -F _completion_loader >/dev/null && _completion_loader cargo 2>/dev/null
declare -F _comp_load >/dev/null && _comp_load cargo 2>/dev/null
if [ -z "${__xtask_cargo_before:-}" ]; then
    __xtask_cargo_before=$(complete -p cargo 2>/dev/null | sed -n 's/.*-F \([^ ]*\).*/\1/p')
fi
__xtask_cargo() {
    local at=1
    case ${COMP_WORDS[1]} in +*) at=2 ;; esac
    if [ "$COMP_CWORD" -gt "$at" ] && [ "${COMP_WORDS[at]}" = xtask ]; then
        __xtask_complete $((at + 1))
    elif [ -n "$__xtask_cargo_before" ] && [ "$__xtask_cargo_before" != __xtask_cargo ]; then
        "$__xtask_cargo_before" "$@"
    fi
}

complete -F __xtask_itself xtask
complete -o default -F __xtask_cargo cargo
