import { GlmError } from '../../common/errors';
import { EngineSupervisor } from '../../engine/client/engineSupervisor';
import { isLoopback, startApiServer } from '../../server/apiServer';
import { addAction, UsageError, type RegisterCommand } from '../command';
import { describeProgress } from '../engineSession';
import { exitCode } from '../exitCode';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { wholeNumber } from '../options/optionValues';

interface Flags extends LoadFlags {
  readonly port: number;
  readonly host: string;
  readonly apiKey?: string;
}

/** Requests that are decoded together when nothing else is asked for. */
const defaultBatch = 4;

/** `glm serve`: the model behind an OpenAI-compatible HTTP interface, until Ctrl-C. */
export const registerServe: RegisterCommand = (program, host) => {
  const command = addLoadOptions(program.command('serve').description('serve the model over an OpenAI-compatible HTTP interface'))
    .option('--port <n>', '0 takes any free port', wholeNumber(0, 65_535), 8000)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--api-key <key>', 'ask every request for this key; needed beyond the loopback address');
  addAction<Flags>(command, host, async (flags, { context, output, signal, log }) => {
    // An empty one keeps nobody out, or everybody: headers lose the space that would stand before it.
    const apiKey = (flags.apiKey ?? context.env.GLM_API_KEY) || undefined;
    if (!isLoopback(flags.host) && apiKey === undefined) {
      throw new UsageError(`On ${flags.host} other machines can reach the model: set a key with --api-key or GLM_API_KEY.`);
    }
    const supervisor = new EngineSupervisor({ start: () => context.startEngine(log), log, restartOnce: true });
    supervisor.onStateChange((state) => output.status(state.kind === 'loading' && state.progress !== undefined ? describeProgress(state.progress) : ''));
    try {
      const model = await supervisor.load(await resolveLoadOptions(flags, { context, log }, defaultBatch), signal);
      const server = await startApiServer({ engine: supervisor, port: flags.port, host: flags.host, apiKey, log }).catch((error: NodeJS.ErrnoException) => {
        throw new GlmError('port-unusable', `${flags.host}:${flags.port} cannot be used: ${whyUnusable(error)}`, { cause: error });
      });
      output.result({ url: server.url, model: model.description.name }, `${model.description.name} at ${server.url}/v1 (Ctrl-C ends)`);
      await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
      await server.close();
      return exitCode.cancelled;
    } finally {
      await supervisor.dispose();
    }
  });
};

function whyUnusable({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'this machine has no such address. Choose another --host; 127.0.0.1 is for programs on this machine.';
    case 'EADDRINUSE':
      return 'another program listens there. Choose another --port, or 0 for any free one.';
    case 'EACCES':
      return 'ports below 1024 need rights that this program lacks. Choose another --port, or 0 for any free one.';
    default:
      return `${message}. Choose another --port, or 0 for any free one.`;
  }
}
