import { constants } from 'node:os';
import { GlmError, type NextStep } from '../../common/errors';
import type { ChildExit } from './childChannel';

/** What is known about a child that ended without being asked to. */
export interface LossEvidence {
  readonly exit: ChildExit;
  /** The child's last lines of output and log, oldest first. */
  readonly lastLines: readonly string[];
  /** Kills for lack of memory in the memory group since the child started; undefined when they cannot be counted. */
  readonly memoryKills?: number;
  /** What the child itself reported before it ended. */
  readonly reported?: string;
}

/**
 * A child process ended although nobody asked it to.
 *
 * Cause: a crash in native code, a kill by the kernel or a person, or an exit after an unexpected error.
 * Handled by: the supervisor, which keeps the conversation and offers to restart and reload.
 */
export class EngineLostError extends GlmError {
  constructor(
    what: 'engine' | 'monitor',
    readonly evidence: LossEvidence,
  ) {
    const { exit, lastLines, memoryKills } = evidence;
    const next: NextStep[] =
      what === 'engine'
        ? [{ label: 'Restart and reload the model', command: 'glm.reloadModel' }, isAboutMemory(evidence) ? useLess : readLog]
        : [{ label: 'The next reading starts it again', terminal: 'Run the command again' }];
    super(`${what}-lost`, describeLoss(what, evidence), {
      fields: {
        exitCode: exit.exitCode,
        signal: exit.signal,
        memoryKills,
        lastLines: lastLines.slice(-10),
        reported: evidence.reported,
      },
      next,
      cause: exit.spawnError,
    });
  }
}

const useLess: NextStep = { label: 'If it happens again, choose fewer bits for the weights or a shorter context', terminal: 'If it happens again, try fewer bits (--weights int4) or a shorter --context' };
const readLog: NextStep = { label: 'Show the log', command: 'glm.showLog', terminal: 'Run the command with --verbose to see what came before' };

/** Whether lack of memory ended the child, as far as anything tells. */
function isAboutMemory({ exit, lastLines, memoryKills, reported }: LossEvidence): boolean {
  return (memoryKills ?? 0) > 0 || exit.signal === 'SIGKILL' || /bad_alloc|out of memory/i.test(`${reported ?? ''}\n${lastLines.slice(-3).join('\n')}`);
}

/** The frame, stack and version that Node prints around an error which nobody caught; the error itself stands above them. */
const aroundError = /^(Node\.js v\d|\s*at |\s*-? ?\/|\s*'|\s*\^+\s*$|\s*[{}\]]|\s*(code|errno|syscall|requireStack|path)\b|Require stack:|\s*$)/;

function describeLoss(what: string, { exit, lastLines, memoryKills, reported }: LossEvidence): string {
  const last = reported ?? lastLines.filter((line) => !aroundError.test(line)).at(-1) ?? lastLines.at(-1);
  const lastWords = last === undefined ? '' : ` Its last line was: ${last}`;
  return `The ${what} process ${describeEnd(exit, memoryKills)}.${lastWords}`;
}

function describeEnd(exit: ChildExit, memoryKills: number | undefined): string {
  if (exit.spawnError !== undefined) {
    return `could not be started: ${exit.spawnError.message}`;
  }
  if (exit.channelClosed === true) {
    return 'closed its channel and was ended';
  }
  if (exit.signal !== undefined) {
    const number = (constants.signals as Readonly<Record<string, number>>)[exit.signal];
    const name = number === undefined ? exit.signal : `signal ${number} (${exit.signal})`;
    if (exit.signal === 'SIGKILL') {
      return memoryKills !== undefined && memoryKills > 0
        ? `was ended by ${name}, probably because memory ran out: the kernel counted ${memoryKills} such kill${memoryKills === 1 ? '' : 's'} in this memory group since it started`
        : `was ended by ${name}, often memory`;
    }
    return `was ended by ${name}`;
  }
  return exit.exitCode === undefined ? 'ended' : `ended with exit code ${exit.exitCode}`;
}
