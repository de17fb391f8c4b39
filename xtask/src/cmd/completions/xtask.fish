# Completions of `cargo xtask` and `xtask` for fish, made by: cargo xtask completions fish
function __xtask_program
    set -l folder $PWD
    while test -n "$folder"
        if test -x "$folder/target/debug/xtask"
            echo "$folder/target/debug/xtask"
            return
        end
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
    echo @XTASK@
end

# The words behind the program's name; a toolchain (`cargo +nightly`) is none of them.
function __xtask_complete
    set -l words (string match -v -- '+*' (commandline -opc)) (commandline -ct)
    set -l answer (eval (string escape -- (__xtask_program)) @COMPLETE@ (string escape -- $words[(math $argv[1] + 1)..-1]) 2>/dev/null)
    set -l typed (commandline -ct)
    switch "$answer[1]"
        case :files
            __fish_complete_path (string replace -r '^.*=' '' -- $typed)
        case :folders
            __fish_complete_directories (string replace -r '^.*=' '' -- $typed)
        case '*'
            printf '%s\n' $answer
    end
end

function __xtask_in_cargo
    set -l words (string match -v -- '+*' (commandline -opc))
    test (count $words) -ge 2; and test "$words[2]" = xtask
end

complete -c xtask -f -a '(__xtask_complete 1)'
complete -c cargo -n '__xtask_in_cargo' -f -a '(__xtask_complete 2)'
