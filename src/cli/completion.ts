/**
 * `mobilenet-v2 completion`: the Tab key. The script of a shell asks this program what may follow, so it knows every
 * command and option that there is, and never an older one.
 */
import { Argument, type Command, type Option } from 'commander';
import { limitNames } from './limits.js';

const SHELLS = {
  bash: `_mobilenet_v2() {
  local IFS=$'\\n'
  COMPREPLY=($(mobilenet-v2 __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
  [[ \${COMPREPLY-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _mobilenet_v2 mobilenet-v2
`,
  zsh: `#compdef mobilenet-v2
_mobilenet_v2() {
  local line
  local -a found
  for line in "\${(@f)$(mobilenet-v2 __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#found} )); then _describe mobilenet-v2 found; else _files; fi
}
(( \${+functions[compdef]} )) || { autoload -Uz compinit && compinit }
compdef _mobilenet_v2 mobilenet-v2
`,
  fish: `function __mobilenet_v2_complete
  set -l words (commandline -opc)
  set -l word (commandline -ct)
  set -l found (mobilenet-v2 __complete -- $words[2..-1] "$word" 2>/dev/null)
  if set -q found[1]
    string join \\n -- $found
  else
    __fish_complete_path "$word"
  end
end
complete -c mobilenet-v2 -f -a '(__mobilenet_v2_complete)'
`,
};

type Shell = keyof typeof SHELLS;

export function addCompletion(program: Command): void {
  const command = program
    .command('completion')
    .summary('Complete commands with the Tab key.')
    .description('Print a script that completes commands and options with the Tab key.')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(Object.keys(SHELLS)))
    .action((shell: Shell) => void process.stdout.write(SHELLS[shell]));
  command.addHelpText(
    'after',
    `
Put one of these into the file that your shell reads when it starts:
  ~/.bashrc                   eval "$(mobilenet-v2 completion bash)"
  ~/.zshrc                    eval "$(mobilenet-v2 completion zsh)"
  ~/.config/fish/config.fish  mobilenet-v2 completion fish | source`,
  );
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .action((words: string[]) => {
      const lines = complete(program, words).map(({ word, description }) => `${word}\t${description}\n`);
      process.stdout.write(lines.join(''));
    });
}

export interface Completion {
  word: string;
  description: string;
}

/**
 * What may stand in place of the last word; nothing where that is a file's name, or anything.
 * @param words all before it and itself, without the program's name
 */
export function complete(program: Command, words: readonly string[]): Completion[] {
  // Bash takes `--format=csv` for three words.
  const [last = '', ...before] = words.filter((word, n) => word !== '=' || n === words.length - 1).reverse();
  const typed = last === '=' ? '' : last;
  const { command, waiting } = walk(program, before.reverse());
  const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
  const waits = typed.startsWith('-') ? undefined : waiting; // no value begins with a dash
  const named = name === undefined ? waits : optionsOf(command).find(({ long }) => long === name);
  const found = named !== undefined ? valuesOf(named) : typed.startsWith('-') ? flagsOf(command) : argumentsOf(command);
  return found
    .map((each) => (name === undefined ? each : { ...each, word: `${name}=${each.word}` }))
    .filter(({ word }) => word.startsWith(value === undefined ? typed : `${name}=${value}`));
}

/** The command that words lead to, and the option that waits for a value after them. */
function walk(program: Command, words: readonly string[]): { command: Command; waiting: Option | undefined } {
  let command = program;
  let waiting: Option | undefined;
  for (const word of words) {
    if (word.startsWith('-')) {
      waiting = optionsOf(command).find(({ long, short, required }) => required && (word === long || word === short));
    } else if (waiting !== undefined) {
      if (!waiting.variadic) waiting = undefined;
    } else if (!(command === program && word === 'help')) {
      command = command.commands.find((each) => each.name() === word) ?? command;
    }
  }
  return { command, waiting };
}

const optionsOf = (command: Command): Option[] => command.createHelp().visibleOptions(command);

const flagsOf = (command: Command): Completion[] =>
  optionsOf(command).map(({ long, short, description }) => ({ word: long ?? short ?? '', description }));

function valuesOf({ long, argChoices }: Option): Completion[] {
  const values = long === '--limit' ? limitNames().map((limit) => `${limit}=`) : (argChoices ?? []);
  return values.map((word) => ({ word, description: '' }));
}

function argumentsOf(command: Command): Completion[] {
  const help = command.createHelp();
  const choices = help.visibleArguments(command).flatMap(({ argChoices = [] }) => argChoices);
  return [
    ...help
      .visibleCommands(command)
      .map((each) => ({ word: each.name(), description: help.subcommandDescription(each) })),
    ...choices.map((word) => ({ word, description: '' })),
  ];
}
