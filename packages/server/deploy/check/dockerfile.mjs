/**
 * Does what a Dockerfile says, without Docker: each stage is a folder, in which COPY and RUN work; WORKDIR /app is its folder
 * `app`. No base image is there: programs are those of this machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** @returns `[instruction, arguments]` of every line, after continued lines were joined */
function parse(text) {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, '');
  return [...lines.matchAll(/^([A-Z]+)\s+(.*)$/gm)].map(([, instruction, rest]) => [instruction, rest]);
}

/** Copies what git knows of a repository, less what the ignore file leaves out: the context of a build. */
function copyContext(repository, ignoreFile, folder) {
  const rules = readFileSync(ignoreFile, 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));
  const matches = (path, pattern) => {
    if (pattern === '*') return true;
    return pattern.startsWith('**/')
      ? `/${path}/`.includes(`/${pattern.slice(3)}/`)
      : `${path}/`.startsWith(`${pattern}/`);
  };
  const isTaken = (path) => {
    const last = rules.findLast((rule) => matches(path, rule.replace(/^!/, '')));
    return last === undefined || last.startsWith('!');
  };
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
  });
  for (const path of listed.split('\0')) {
    if (path && isTaken(path) && existsSync(join(repository, path))) cpSync(join(repository, path), join(folder, path));
  }
}

class Stage {
  workdir = '/';
  env = {};

  constructor(name, folder) {
    this.name = name;
    this.folder = folder;
    mkdirSync(folder);
  }

  path(inside = '.') {
    return join(this.folder, inside.startsWith('/') ? inside : join(this.workdir, inside));
  }
}

/** What each instruction does to the newest stage. Those that say something about the image are kept in the stage. */
const INSTRUCTIONS = {
  ARG() {},
  EXPOSE() {},

  WORKDIR(stage, rest) {
    stage.workdir = rest;
    mkdirSync(stage.path(), { recursive: true });
  },

  /** What it prints, npm's list of packed files above all, is shown where it fails. */
  RUN(stage, rest) {
    const options = { cwd: stage.path(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: Infinity };
    const { status, signal, error, stdout } = spawnSync('sh', ['-ec', `exec 2>&1\n${rest}`], options);
    if (status === 0) return;
    throw error ?? new Error(`${stdout}\nRUN ${rest}: ended with ${signal ?? `exit code ${status}`}`);
  },

  COPY(stage, rest, { stages, context }) {
    const words = rest.split(/\s+/);
    const from = words[0].match(/^--from=(\w+)/)?.[1];
    const source = stages.find(({ name }) => name === from);
    const target = stage.path(words.at(-1));
    for (const word of words.slice(from === undefined ? 0 : 1, -1)) {
      const path = source ? source.path(word) : join(context, word);
      const to = statSync(path).isDirectory() ? target : join(target, basename(path));
      cpSync(path, to, { recursive: true, verbatimSymlinks: true });
    }
  },

  ENV(stage, rest) {
    for (const pair of rest.split(/\s+/)) {
      const [name, value] = pair.split('=');
      stage.env[name] = value.replace('$PATH', process.env.PATH).replace('/app/', `${stage.path('/app')}/`);
    }
  },

  USER(stage, rest) {
    stage.user = rest;
  },

  HEALTHCHECK(stage, rest) {
    stage.healthcheck = JSON.parse(rest.match(/CMD (\[.*\])/)[1]);
  },

  CMD(stage, rest) {
    stage.command = JSON.parse(rest);
  },
};

/** @returns the last stage: its `folder`, `path()`, `env`, `user`, `command` and `healthcheck` */
export function build(dockerfile, repository, folder) {
  const context = join(folder, 'context');
  copyContext(repository, `${dockerfile}.dockerignore`, context);
  const stages = [];
  for (const [instruction, rest] of parse(readFileSync(dockerfile, 'utf8'))) {
    console.log(`${instruction} ${rest}`);
    if (instruction === 'FROM') {
      const name = rest.match(/ AS (\w+)/)?.[1] ?? 'image';
      stages.push(new Stage(name, join(folder, name)));
    } else if (INSTRUCTIONS[instruction] === undefined) {
      throw new Error(`${instruction}: check/dockerfile.mjs does not know it`);
    } else INSTRUCTIONS[instruction](stages.at(-1), rest, { stages, context });
  }
  return stages.at(-1);
}
