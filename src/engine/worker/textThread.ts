/**
 * Long texts are tokenized in a thread of their own: five megabytes take seconds, and the engine must go on answering meanwhile.
 * The thread runs this same bundle (see main.ts), reads the tokenizer anew and ends after one text.
 */

import { Worker, parentPort, workerData } from 'node:worker_threads';
import { describeCheckpoint } from '../../checkpoint/openCheckpoint';
import type { ChatInput } from '../../common/chat';
import { CancelledError, deserializeError, GlmError, serializeError, type SerializedError } from '../../common/errors';
import type { EncodeMode, GlmTokenizer } from '../../tokenizer/glmTokenizer';
import { tokenizerOf } from './tokenizerStore';

export type TextJob = { readonly kind: 'encode'; readonly text: string; readonly mode: EncodeMode } | { readonly kind: 'render'; readonly chat: ChatInput };

export interface TokenizedText {
  readonly ids: Int32Array;
  /** The rendered prompt; undefined for a plain text. */
  readonly text?: string;
}

/** Texts with fewer UTF-16 units are tokenized in place: some tens of milliseconds at most. */
export const longTextUnits = 65_536;

interface ThreadInput {
  readonly source: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly job: TextJob;
}

type ThreadOutput = { readonly result: TokenizedText } | { readonly error: SerializedError };

/** The texts that a user wrote, without what a template adds. */
export function jobTexts(job: TextJob): readonly string[] {
  return job.kind === 'encode' ? [job.text] : job.chat.messages.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)));
}

export function runTextJob(tokenizer: GlmTokenizer, job: TextJob): TokenizedText {
  if (job.kind === 'encode') {
    return { ids: tokenizer.encode(job.text, job.mode) };
  }
  const { ids, text } = tokenizer.renderChat(job.chat);
  return { ids, text };
}

/** Runs a job in a thread. @throws {CancelledError} when `signal` aborts; the thread is ended then. @throws what the tokenizer throws. */
export function runTextThread(bundlePath: string, input: ThreadInput, signal: AbortSignal | undefined): Promise<TokenizedText> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CancelledError('Tokenizing'));
      return;
    }
    const thread = new Worker(bundlePath, { workerData: input, stdout: false, stderr: false });
    const onAbort = (): void => {
      void thread.terminate();
      reject(new CancelledError('Tokenizing'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    thread.once('message', (output: ThreadOutput) => ('error' in output ? reject(deserializeError(output.error)) : resolve(output.result)));
    thread.once('error', reject);
    thread.once('exit', () => {
      signal?.removeEventListener('abort', onAbort);
      reject(new GlmError('tokenizer-thread-ended', 'The thread that tokenizes long texts ended without an answer. Send the text again, or shorten it.'));
    });
  });
}

/** The thread's side; called by main.ts when it finds itself in a thread. */
export async function serveTextThread(): Promise<void> {
  const { source, env, job } = workerData as ThreadInput;
  let output: ThreadOutput;
  try {
    const tokenizer = tokenizerOf(await describeCheckpoint(source, { env }));
    output = { result: runTextJob(tokenizer, job) };
  } catch (error) {
    output = { error: serializeError(error) };
  }
  parentPort?.postMessage(output, 'result' in output ? [output.result.ids.buffer as ArrayBuffer] : []);
}
