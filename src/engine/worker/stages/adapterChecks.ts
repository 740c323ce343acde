/** What a WebGPU adapter is tried on after loading, since some compute wrongly what others compute right. */

import type { Log } from '../../../common/log';
import type { Env } from '../../../ort/env';
import { MemoryInfo } from '../../../ort/memory';
import { isLongPrefillSound, measureLongPrefill, safeChunkTokens } from './prefillCheck';
import { isReplaySound, measureReplayedSteps } from './replayCheck';
import type { Stage } from './stage';
import type { StageRunner } from './stageRunner';
import { WebgpuCapture } from './webgpuCapture';

/** Reads a long prompt in short chunks where the adapter computes long ones wrongly. */
export async function checkLongPrefill(runner: StageRunner, log: Log): Promise<void> {
  const deviation = await measureLongPrefill(runner);
  if (!isLongPrefillSound(deviation)) {
    runner.limitPrefillChunk(safeChunkTokens);
    log.log('warn', 'stages', `This WebGPU adapter computes long prompts wrongly, so they are read ${safeChunkTokens} tokens at a time, which is slower. A newer GPU driver may help.`, { deviation });
  }
}

/** Replays decode steps where the adapter computes the same by that; it is faster, so its absence is logged and nothing more. */
export async function useCapturedSteps(runner: StageRunner, stages: readonly Stage[], env: Env, log: Log): Promise<void> {
  const capture = WebgpuCapture.tryCreate(stages, new MemoryInfo(env.library, 'Cpu'), runner);
  if (capture === undefined) {
    return;
  }
  try {
    const deviation = await measureReplayedSteps(runner, capture);
    if (isReplaySound(deviation)) {
      runner.decodeSlotsWith(capture);
      log.log('info', 'stages', 'Decode steps are captured and replayed.', { deviation });
      return;
    }
    log.log('warn', 'stages', 'This WebGPU adapter computes replayed decode steps wrongly, so each step is encoded anew, which is slower.', { deviation });
  } catch (error) {
    log.log('warn', 'stages', `Decode steps can't be captured: ${error instanceof Error ? error.message : String(error)}`);
  }
  capture[Symbol.dispose]();
}
