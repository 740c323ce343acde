import { homedir } from 'node:os';
import { formatBytes } from '../../common/byteFormat';
import { GlmError, terminalSteps } from '../../common/errors';
import { findCuda, type CudaStatus, type LibraryStatus } from '../../cuda/setup/findCuda';
import { installCuda, planInstall, type InstallPlan, type InstallProgress } from '../../cuda/setup/installCuda';
import { defaultIndexUrl } from '../../cuda/setup/packageIndex';
import { addAction, type Invocation, type RegisterCommand } from '../command';
import { exitCode } from '../exitCode';
import { cudaInstallFolder } from '../../engine/client/cacheFolder';
import { formatTable } from '../textTable';

interface Flags {
  readonly download?: boolean;
  readonly ignoreDriver?: boolean;
  readonly indexUrl: string;
  readonly proxy?: string;
  readonly libraryFolder?: readonly string[];
  readonly folder?: string;
}

/** `glm setup-cuda`: what of CUDA 13 is here and what is not; with `--download` what is missing is fetched. Exit code 1 while it is not ready. */
export const registerSetupCuda: RegisterCommand = (program, host) => {
  const command = program
    .command('setup-cuda')
    .description('find the libraries that the CUDA provider needs, or download them')
    .option('--download', 'download the libraries when they are missing (about 1.3 GB; NVIDIA software licence)')
    .option('--ignore-driver', 'download even without a fitting NVIDIA driver, such as while building an image')
    .option('--index-url <url>', 'the Python package index, or a mirror of it', defaultIndexUrl)
    .option('--proxy <url>', 'proxy for the download; default: HTTPS_PROXY and NO_PROXY')
    .option('--library-folder <folder...>', 'look here first')
    .option('--folder <folder>', 'where downloads are installed');
  addAction<Flags>(command, host, async (flags, invocation) => {
    const installRoot = flags.folder ?? cudaInstallFolder(invocation.context.env);
    const before = await inspect(flags, installRoot, invocation);
    if (before.ready || flags.download !== true) {
      invocation.output.result(asJson(before), describeStatus(before));
      return before.ready ? exitCode.done : exitCode.failed;
    }
    if (before.supported && before.driver.state !== 'ok' && flags.ignoreDriver !== true) {
      throw new GlmError('cuda-driver', before.driver.message, { next: before.next });
    }
    const installed = await download(flags, installRoot, invocation);
    const after = await inspect(flags, installRoot, invocation);
    invocation.output.result({ ...asJson(after), installed }, describeStatus(after));
    const isComplete = after.libraries.every((library) => library.state === 'found');
    return after.ready || (flags.ignoreDriver === true && isComplete) ? exitCode.done : exitCode.failed;
  });
};

async function inspect(flags: Flags, installRoot: string, invocation: Invocation): Promise<CudaStatus> {
  return findCuda({
    platform: process.platform,
    arch: process.arch,
    env: invocation.context.env,
    home: homedir(),
    installRoot,
    extraFolders: flags.libraryFolder,
    driverVersion: await readDriverVersion(invocation),
  });
}

/** As NVML or nvidia-smi tells it, which works in WSL and containers too. */
async function readDriverVersion(invocation: Invocation): Promise<string | undefined> {
  const monitor = invocation.context.startMonitor(invocation.log);
  try {
    const devices = await monitor.request('devices-probe', {}, invocation.signal);
    return devices.find((device) => device.kind === 'cuda')?.driverVersion;
  } finally {
    await monitor.end();
  }
}

async function download(flags: Flags, installRoot: string, { output, signal }: Invocation): Promise<InstallPlan> {
  const options = {
    platform: process.platform,
    arch: process.arch,
    installRoot,
    indexUrl: flags.indexUrl,
    http: { proxy: flags.proxy },
    signal,
    onProgress: (progress: InstallProgress) =>
      output.status(`${progress.phase} ${progress.packageId}: ${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`),
  };
  const plan = await planInstall(options);
  output.note(`Downloading ${formatBytes(plan.downloadBytes)}; ${formatBytes(plan.diskBytes)} of disk space are needed meanwhile:`);
  for (const file of plan.files) {
    output.note(`  ${file.packageId} ${file.version}, ${formatBytes(file.byteLength)} (${file.licence})`);
  }
  await installCuda(plan, options);
  output.status('');
  return plan;
}

/** Next steps as every command gives them, without those that only an editor can take. */
function asJson(status: CudaStatus): object {
  return { ...status, next: terminalSteps(status.next) };
}

function describeStatus(status: CudaStatus): string {
  const rows = status.libraries.map((library) => [library.library.title, library.library.fileName, describeLibrary(library)]);
  return [
    ...(status.supported ? [status.driver.message] : []),
    ...(rows.length > 0 ? [formatTable(['library', 'file', 'found'], rows)] : []),
    ...(status.ready ? ['CUDA is ready.'] : [...status.messages.filter((message) => message !== status.driver.message)]),
    ...(status.ready || status.lookedIn.length === 0 ? [] : [`Looked in: ${status.lookedIn.map((place) => place.folder).join(', ')}.`]),
    ...terminalSteps(status.next).map((step) => `Next: ${step.label}${step.url === undefined ? '' : ` (${step.url})`}`),
  ].join('\n');
}

function describeLibrary(status: LibraryStatus): string {
  switch (status.state) {
    case 'found':
      return `${status.version ?? ''} ${status.path} (${status.from})`.trim();
    case 'wrong-version':
      return `only ${status.others.map((other) => other.version).join(', ')}`;
    case 'missing':
      return 'missing';
    default:
      return status satisfies never;
  }
}
