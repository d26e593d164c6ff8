import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));

/** The store and the packages that it needs, compiled as the build compiles them. */
export interface CompiledStore {
  readonly folder: string;
  /** URL of a compiled file, by its path below `src`. */
  url(path: string): URL;
  /** Writes a script beside the compiled files and returns its path. */
  script(name: string, code: string): string;
  remove(): void;
}

const compile = (sources: string, target: string): void => {
  for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name);
    const path = source.slice(sources.length + 1);
    if (!entry.isFile() || !path.endsWith('.ts') || path.endsWith('spec.ts') || path.includes('testing/'))
      continue;
    const output = join(target, path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(output), { recursive: true });
    const { code } = transformSync(readFileSync(source, 'utf8'), {
      filename: source,
      configFile: join(ROOT, '.swcrc'),
    });
    writeFileSync(output, code);
  }
};

/**
 * Compiles the store into a temporary folder. Threads and child processes run compiled files only; this way a test
 * needs no build before it and never runs an older one.
 */
export const compileStore = (): CompiledStore => {
  const folder = mkdtempSync(join(tmpdir(), 'tunan-compiled-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  for (const name of ['kernel', 'contracts', 'resilience']) {
    const target = join(folder, 'node_modules', '@tunan', name);
    compile(join(ROOT, 'libs', name, 'src'), target);
    writeFileSync(
      join(target, 'package.json'),
      JSON.stringify({ name: `@tunan/${name}`, type: 'module', exports: './index.js' }),
    );
  }
  symlinkSync(join(ROOT, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'));
  for (const part of ['domain', 'store'])
    compile(join(ROOT, 'services', 'auth', 'src', part), join(folder, part));
  return {
    folder,
    url: (path) => pathToFileURL(join(folder, path)),
    script: (name, code) => {
      writeFileSync(join(folder, name), code);
      return join(folder, name);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
