/** Opens checkpoints: resolves the source, reads the small files, checks every shard's header. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { formatBytes } from '../common/byteFormat';
import type { TensorInfo } from '../common/dtype';
import { throwIfAborted } from '../common/errors';
import { errorCodeOf, isAbsent, readTextIfPresent } from './boundedFile';
import type { TokenizerFiles } from '../common/tokenizerFiles';
import { expandHome } from '../common/homePath';
import type { Checkpoint, CheckpointSummary, OpenOptions } from './checkpoint';
import { CheckpointError, downloadAgain } from './checkpointError';
import { entriesOf, findSnapshot, hubCacheRoots, incompleteDownloads, tryRepoName, repoFolderOf, repoFolders, repoNameOf } from './hubCache';
import { readSafetensorsHeader, type SafetensorsHeader } from './safetensorsHeader';
import { presentBytes, readShardList, type ShardList } from './shardIndex';
import { parseStrictJson } from './strictJson';

const maxConfigBytes = 4 * 1024 * 1024;
const maxTokenizerBytes = 256 * 1024 * 1024;
const maxTemplates = 32;
/** Headers read at once; enough to hide a network disk's latency. */
const concurrentHeaders = 8;

/**
 * Opens a checkpoint for loading: every header is read and checked, nothing else is allocated.
 *
 * @param source  A folder, or `org/name` to be found in the Hugging Face cache.
 * @throws {CheckpointError} with a `reason`; {@link CancelledError} when the signal aborts.
 */
export async function openCheckpoint(source: string, options: OpenOptions): Promise<Checkpoint> {
  const { summary, shards, configText } = await readSummary(source, options);
  const headers = await readHeaders(shards.files, summary.name, options.signal);
  const tensors = collectTensors(shards, headers, summary);
  const identity = createHash('sha256').update(configText);
  shards.files.forEach((file, i) => {
    const header = headers[i]!;
    identity.update(`\0${basename(file)}\0${header.fileBytes}\0${header.modifiedMs}\0${header.headerHash}`);
  });
  return { ...summary, fileBytes: headers.reduce((sum, header) => sum + header.fileBytes, 0), identity: identity.digest('hex'), tensors, shardFiles: shards.files };
}

/**
 * Reads what a plan or a tokenizer needs; shards are counted by size, not read. Missing weights are no error here (`fileBytes` is then 0).
 * @throws {CheckpointError} when there is no readable config.
 */
export async function describeCheckpoint(source: string, options: OpenOptions): Promise<CheckpointSummary> {
  const { folder, name } = await resolveSource(source, options.env);
  const configText = await readConfigText(folder, name, options.signal);
  return readSmallFiles(folder, name, configText, await weightBytes(folder, name, options), options.signal);
}

/** Reads config.json and the sizes of the weights only: for lists of many checkpoints. */
export async function readCheckpointConfig(source: string, options: OpenOptions): Promise<Pick<CheckpointSummary, 'folder' | 'name' | 'configJson' | 'fileBytes'>> {
  const { folder, name } = await resolveSource(source, options.env);
  const configJson = parseObject(await readConfigText(folder, name, options.signal), 'config.json', folder);
  return { folder, name, configJson, fileBytes: await weightBytes(folder, name, options) };
}

/** Bytes of the weight files that exist; 0 when there are none or their index is damaged, which opening will report. */
async function weightBytes(folder: string, name: string, options: OpenOptions): Promise<number> {
  try {
    return await presentBytes((await readShardList(folder, name, options.signal)).files);
  } catch (error) {
    if (error instanceof CheckpointError) {
      return 0;
    }
    throw error;
  }
}

async function readSummary(source: string, options: OpenOptions): Promise<{ summary: CheckpointSummary; shards: ShardList; configText: string }> {
  const { folder, name } = await resolveSource(source, options.env);
  const configText = await readConfigText(folder, name, options.signal);
  const shards = await readShardList(folder, name, options.signal);
  return { summary: await readSmallFiles(folder, name, configText, 0, options.signal), shards, configText };
}

/** Finds the folder that holds config.json. */
async function resolveSource(source: string, env: OpenOptions['env']): Promise<{ readonly folder: string; readonly name: string }> {
  // An unset variable of a shell; as a path it would mean the current folder.
  if (source.trim() === '') {
    throw new CheckpointError('not-found', 'No model is named: the text is empty. Give the folder of a downloaded model, or its name on the hub such as zai-org/GLM-4-9B-0414.', { fields: { source } });
  }
  const home = env.HOME ?? env.USERPROFILE;
  const path = resolve(expandHome(source, home));
  const info = await stat(path).catch((error: unknown) => {
    if (isAbsent(error)) {
      return undefined;
    }
    throw new CheckpointError('unreadable', `${path} cannot be looked at (${errorCodeOf(error) ?? String(error)}). Check its permissions.`, { fields: { path }, cause: error });
  });
  if (info !== undefined && !info.isDirectory()) {
    const foreign = describeForeign([basename(path)]);
    if (foreign !== undefined) {
      throw new CheckpointError('not-a-folder', `${path} ${foreign}`, { fields: { path } });
    }
    throw new CheckpointError('not-a-folder', `${path} is a file; a model is a folder with config.json, tokenizer and .safetensors files. Give the folder it lies in: ${resolve(path, '..')}.`, { fields: { path }, next: [{ label: `Use ${resolve(path, '..')}` }] });
  }
  if (info !== undefined) {
    if (basename(path).startsWith('models--')) {
      const snapshot = await findSnapshot(path);
      if (snapshot !== undefined) {
        return { folder: snapshot, name: repoNameOf(path) ?? basename(path) };
      }
    }
    return { folder: path, name: repoNameOf(path) ?? basename(path) };
  }
  const roots = hubCacheRoots(env);
  const name = tryRepoName(source);
  if (name === undefined) {
    throw new CheckpointError('not-found', `There is no folder ${path}. Give the folder of a downloaded model, or its name on the hub such as zai-org/GLM-4-9B-0414.`, { fields: { source, path } });
  }
  for (const repoFolder of repoFolders(name, roots)) {
    const snapshot = await findSnapshot(repoFolder);
    if (snapshot !== undefined) {
      return { folder: snapshot, name };
    }
    if ((await entriesOf(repoFolder)).length > 0) {
      throw new CheckpointError('download-incomplete', `${name} is in the cache at ${repoFolder}, but no snapshot there has a config.json${await describeIncomplete(repoFolder)}. Its download did not finish: run "hf download ${name}".`, { fields: { source, repoFolder }, next: downloadAgain(name) });
    }
  }
  throw new CheckpointError('not-found', `${name} is neither a folder nor in the Hugging Face cache. Looked in ${roots.join(', ') || 'no folder: HOME is not set'}. Download it with "hf download ${name}", or give its folder.`, { fields: { source, roots }, next: [{ label: `Download it: hf download ${name}` }] });
}

async function readConfigText(folder: string, name: string, signal?: AbortSignal): Promise<string> {
  const path = join(folder, 'config.json');
  const text = await readTextIfPresent(path, maxConfigBytes, signal);
  if (text !== undefined) {
    return text;
  }
  if ((await entriesOf(folder)).includes('config.json')) {
    const repoFolder = repoFolderOf(folder);
    throw new CheckpointError('download-incomplete', `The config.json of ${name} is a link whose target is missing${repoFolder === undefined ? '' : await describeIncomplete(repoFolder)}: ${path}. Its download did not finish.`, { fields: { folder, name }, next: downloadAgain(name) });
  }
  const foreign = describeForeign(await entriesOf(folder));
  if (foreign !== undefined) {
    throw new CheckpointError('no-config', `${folder} ${foreign}`, { fields: { folder } });
  }
  const subfolders = (await entriesOf(folder)).slice(0, 200);
  const hint = await firstWithConfig(folder, subfolders);
  throw new CheckpointError('no-config', `${folder} has no config.json, so it is not a model folder.${hint === undefined ? ' A Hugging Face model folder holds config.json, tokenizer files and .safetensors files.' : ` Did you mean ${hint}?`}`, { fields: { folder }, next: hint === undefined ? [] : [{ label: `Use ${hint}` }] });
}

/** What other programs' models are recognised by, as the end of a sentence; undefined for anything else. */
function describeForeign(names: readonly string[]): string | undefined {
  if (names.some((name) => name.toLowerCase().endsWith('.gguf'))) {
    return 'holds GGUF weights, the format of llama.cpp and Ollama, which is not read here. Download the original release of the model, with .safetensors files; it can be held in int4 all the same.';
  }
  if (names.includes('adapter_config.json')) {
    return 'is an adapter (LoRA), not a whole model. Merge it into its base model first (merge_and_unload and save_pretrained of peft), then give the merged folder.';
  }
  return undefined;
}

async function firstWithConfig(folder: string, entries: readonly string[]): Promise<string | undefined> {
  for (const entry of entries) {
    if ((await entriesOf(join(folder, entry))).includes('config.json')) {
      return join(folder, entry);
    }
  }
  return undefined;
}

async function readSmallFiles(folder: string, name: string, configText: string, fileBytes: number, signal?: AbortSignal): Promise<CheckpointSummary> {
  const read = (file: string, limit = maxConfigBytes): Promise<string | undefined> => readTextIfPresent(join(folder, file), limit, signal);
  const generationText = await read('generation_config.json');
  const tokenizerFiles: TokenizerFiles = {
    tokenizerJson: await read('tokenizer.json', maxTokenizerBytes),
    tokenizerConfigJson: await read('tokenizer_config.json'),
    chatTemplateJinja: await read('chat_template.jinja'),
    additionalChatTemplates: await readAdditionalTemplates(folder, read),
    tokenizerModel: await read('tokenizer.model', maxTokenizerBytes),
    specialTokensMapJson: await read('special_tokens_map.json'),
  };
  return {
    folder,
    name,
    configJson: parseObject(configText, 'config.json', folder),
    generationConfigJson: generationText === undefined ? undefined : parseObject(generationText, 'generation_config.json', folder),
    tokenizerFiles,
    fileBytes,
  };
}

/** Named templates; undefined where there are none. A folder with more of them than any model needs is not read to its end. */
async function readAdditionalTemplates(folder: string, read: (file: string) => Promise<string | undefined>): Promise<Readonly<Record<string, string>> | undefined> {
  const files = (await entriesOf(join(folder, 'additional_chat_templates'))).filter((file) => file.endsWith('.jinja')).sort().slice(0, maxTemplates);
  const entries: (readonly [string, string])[] = [];
  for (const file of files) {
    const text = await read(join('additional_chat_templates', file));
    if (text !== undefined) {
      entries.push([file.slice(0, -'.jinja'.length), text]);
    }
  }
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function parseObject(text: string, file: string, folder: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseStrictJson(text, 64);
  } catch (error) {
    throw new CheckpointError('config-not-json', `${file} is not valid JSON (${error instanceof Error ? error.message : String(error)}): ${join(folder, file)}. Download it again.`, { fields: { folder, file }, cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CheckpointError('config-not-json', `${file} holds ${Array.isArray(value) ? 'a list' : `a ${value === null ? 'null' : typeof value}`} where an object is expected: ${join(folder, file)}. Download it again.`, { fields: { folder, file } });
  }
  return value as Readonly<Record<string, unknown>>;
}

/** All headers, in the order of `files`. A missing shard is explained from the cache's unfinished downloads where there are any. */
async function readHeaders(files: readonly string[], name: string, signal?: AbortSignal): Promise<readonly SafetensorsHeader[]> {
  const headers = new Array<SafetensorsHeader>(files.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < files.length; i = next++) {
      throwIfAborted(signal, 'Reading the checkpoint');
      headers[i] = await readSafetensorsHeader(files[i]!, signal);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(concurrentHeaders, files.length) }, worker));
  } catch (error) {
    if (error instanceof CheckpointError && error.reason === 'shard-missing') {
      throw await missingShards(files, name, error);
    }
    throw error;
  }
  return headers;
}

async function missingShards(files: readonly string[], name: string, cause: CheckpointError): Promise<CheckpointError> {
  const missing: string[] = [];
  for (const file of files) {
    await stat(file).catch(() => missing.push(basename(file)));
  }
  const repoFolder = repoFolderOf(files[0]!);
  const incomplete = repoFolder === undefined ? '' : await describeIncomplete(repoFolder);
  const list = `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}`;
  return new CheckpointError(
    incomplete === '' ? 'shard-missing' : 'download-incomplete',
    `${name} lacks ${missing.length} of its ${files.length} weight files: ${list}${incomplete}. ${incomplete === '' ? 'Download or copy them into' : 'Its download did not finish; run the download again, it resumes in'} ${resolve(files[0]!, '..')}.`,
    { fields: { name, missing, numShards: files.length }, next: downloadAgain(name), cause },
  );
}

async function describeIncomplete(repoFolder: string): Promise<string> {
  const { count, bytes } = await incompleteDownloads(repoFolder);
  return count === 0 ? '' : ` (${count} unfinished download${count === 1 ? '' : 's'} of ${formatBytes(bytes)} so far)`;
}

/** Every tensor that the index names, or all of a single file. Tensors that a shard holds beyond the index are left out, as in transformers. */
function collectTensors(shards: ShardList, headers: readonly SafetensorsHeader[], summary: CheckpointSummary): ReadonlyMap<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const { tensors: inFile } of headers) {
    for (const tensor of inFile) {
      if (shards.fileOfTensor === undefined || shards.fileOfTensor.get(tensor.name) === tensor.file) {
        tensors.set(tensor.name, tensor);
      }
    }
  }
  const missing = [...(shards.fileOfTensor?.keys() ?? [])].filter((tensor) => !tensors.has(tensor));
  if (missing.length > 0) {
    const first = missing[0]!;
    throw new CheckpointError('tensor-missing', `${summary.name} lacks ${missing.length} tensor(s) that its index names: ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}. ${basename(shards.fileOfTensor!.get(first)!)} should hold ${first} but does not: index and weight files are of different versions. Download the model again into an empty folder.`, {
      fields: { folder: summary.folder, missing: missing.slice(0, 20), numMissing: missing.length },
      next: downloadAgain(summary.name),
    });
  }
  return tensors;
}
