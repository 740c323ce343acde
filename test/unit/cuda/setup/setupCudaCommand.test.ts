import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { CliContext } from '../../../../src/cli/cliContext';
import { runCli } from '../../../../src/cli/program';
import { elfLibrary, put, tempFolder } from './cudaFixtures';
import { startIndex } from './wheelIndex';

/** Runs the command with a monitor that reports one NVIDIA card with this driver. */
async function run(driverVersion: string | undefined, ...args: readonly string[]) {
  const stdout: string[] = [];
  const stderr: string[] = [];
  let monitorsRunning = 0;
  const sink = (lines: string[]) => Object.assign(new PassThrough(), { write: (text: string) => (lines.push(text), true) });
  const context = {
    stdin: new PassThrough(),
    stdout: sink(stdout),
    stderr: sink(stderr),
    env: {},
    startEngine: () => {
      throw new Error('setup-cuda needs no engine');
    },
    startMonitor: () => {
      monitorsRunning += 1;
      return { request: async () => (driverVersion === undefined ? [] : [{ kind: 'cuda', driverVersion }]), end: async () => void (monitorsRunning -= 1) };
    },
    onInterrupt: () => () => undefined,
  } as unknown as CliContext;
  const code = await runCli(['setup-cuda', ...args], context, '0.0.0');
  expect(monitorsRunning).toBe(0);
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

function completeFolder(): string {
  const folder = tempFolder();
  for (const name of ['libcudart.so.13', 'libcublas.so.13', 'libcublasLt.so.13', 'libcurand.so.10', 'libnvrtc.so.13', 'libcudnn.so.9', 'libonnxruntime_providers_shared.so']) {
    put(join(folder, name), elfLibrary(name));
  }
  put(join(folder, 'libonnxruntime_providers_cuda.so'), elfLibrary(undefined));
  put(join(folder, 'libonnxruntime.so.1.30.0'), '');
  return folder;
}

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('glm setup-cuda', () => {
  it('says that all is there, as text and as JSON', async () => {
    const folder = completeFolder();
    const args = ['--library-folder', folder, '--folder', tempFolder()];
    const text = await run('580.95.05', ...args);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('CUDA is ready.');
    expect(text.stdout).toMatch(/ONNX Runtime CUDA provider +libonnxruntime_providers_cuda\.so +1\.30\.0 /);
    const json = await run('580.95.05', '--json', ...args);
    expect(JSON.parse(json.stdout)).toMatchObject({ ready: true, libraryFolders: [folder], driver: { state: 'ok' } });
  });

  it('ends with 1 and the next step while the driver is too old, and downloads nothing then', async () => {
    const { server, options } = await startIndex();
    const status = await run('535.183.01', '--library-folder', completeFolder(), '--folder', options.installRoot);
    expect([status.code, status.stdout]).toEqual([1, expect.stringContaining('Next: Update the NVIDIA driver')]);
    const refused = await run('535.183.01', '--json', '--download', '--folder', options.installRoot, '--index-url', options.indexUrl ?? '');
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'cuda-driver' } });
    expect(server.requests).toEqual([]);
  });

  it('downloads what it announced and then is ready', async () => {
    const { server, options } = await startIndex();
    const result = await run(undefined, '--json', '--download', '--ignore-driver', '--folder', options.installRoot, '--index-url', options.indexUrl ?? '');
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('nvidia-cudnn-cu13 9.20.0.48');
    const status = JSON.parse(result.stdout) as { libraryFolders: string[]; libraries: { state: string }[] };
    expect(status.libraries.every((one) => one.state === 'found')).toBe(true);
    expect(status.libraryFolders.every((folder) => folder.startsWith(options.installRoot))).toBe(true);
    expect(server.requests.filter((request) => request.startsWith('/files/'))).toHaveLength(6);
  });

  it('names the address of an index that does not exist', async () => {
    const { options } = await startIndex();
    const result = await run('580.95.05', '--download', '--folder', options.installRoot, '--index-url', `${new URL(options.indexUrl ?? '').origin}/wrong`);
    expect([result.code, result.stderr]).toEqual([1, expect.stringMatching(/\/wrong\/nvidia-[\w-]+\/ answers with status 404\. Check the index address\./)]);
  });
});
