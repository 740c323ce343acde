import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { TensorInfo } from '../../../../../src/common/dtype';
import { packCheckpoint } from '../../../../../src/engine/worker/packing/packCheckpoint';
import { kvNames } from '../../../../../src/model/attention';
import { precisionFor } from '../../../../../src/model/precision';
import { buildStageGraph, stageNames } from '../../../../../src/model/stageGraph';
import { Env } from '../../../../../src/ort/env';
import { MemoryInfo } from '../../../../../src/ort/memory';
import { IoBinding, RunOptions } from '../../../../../src/ort/running';
import { Session, SessionOptions } from '../../../../../src/ort/session';
import { Value } from '../../../../../src/ort/value';
import { fixtureFolder, openTiny, temporaryFolder, tinyNames, type OpenedTiny } from '../tinyCheckpoint';

/** What transformers has after the embedding and after each layer, at the last position; its last entry is after the final norm. */
interface HiddenReference {
  readonly prompts: readonly { readonly name: string; readonly ids: readonly number[]; readonly hidden: readonly { readonly first8: readonly number[]; readonly std: number }[] }[];
}

const cache = temporaryFolder();
const env = Env.open();
const info = new MemoryInfo(env.library, 'Cpu');
afterAll(() => {
  info.dispose();
  env.dispose();
  cache.remove();
});

/** The residual stream after `endLayer` layers at the last of `ids`, by a stage that ends there. */
async function residualAfter({ config, tensors }: OpenedTiny, endLayer: number, prompts: readonly (readonly number[])[]): Promise<Float32Array[]> {
  const precision = precisionFor('cpu', 'f32');
  const packed = await packCheckpoint(config, tensors, precision, { cacheFolder: cache.path });
  const contextTokens = 48;
  const { graph } = buildStageGraph(
    config,
    { firstLayer: 0, endLayer, hasEmbedding: true, hasHead: false },
    precision,
    { kind: 'initializers', locate: (name) => ({ location: basename(packed.path), ...packed.place(name) }) },
    contextTokens,
    (tensor) => (tensors.get(tensor) as TensorInfo).dtype,
  );
  const options = new SessionOptions(env.library).setConfig('session.model_external_initializers_file_folder_path', dirname(packed.path)).setIntraOpThreads(1);
  const session = await Session.fromBytes(env, graph.toModelBytes(), options);
  options.dispose();
  const rows = prompts.map((ids) => {
    const binding = new IoBinding(session);
    const runOptions = new RunOptions(env.library);
    const out = new Float32Array(ids.length * config.hiddenSize);
    const values: Value[] = [];
    const over = (...args: Parameters<typeof Value.overArray>): Value => {
      const value = Value.overArray(...args);
      values.push(value);
      return value;
    };
    binding
      .bindInput(stageNames.inputIds, over(info, BigInt64Array.from(ids, BigInt), 'i64', [1, ids.length]))
      .bindInput(stageNames.seqlensK, over(info, Int32Array.of(ids.length - 1), 'i32', [1]))
      .bindInput(stageNames.totalSequenceLength, over(info, Int32Array.of(ids.length), 'i32', []))
      .bindOutput(stageNames.hiddenOut, over(info, out, 'f32', [1, ids.length, config.hiddenSize]));
    const cacheShape = [1, config.numKvHeads, contextTokens, config.headDim];
    const elements = cacheShape.reduce((product, size) => product * size, 1);
    for (let layer = 0; layer < endLayer; layer += 1) {
      const names = kvNames(layer);
      const [key, value] = [over(info, new Float32Array(elements), 'f32', cacheShape), over(info, new Float32Array(elements), 'f32', cacheShape)];
      binding.bindInput(names.pastKey, key).bindInput(names.pastValue, value).bindOutput(names.presentKey, key).bindOutput(names.presentValue, value);
    }
    binding.run(runOptions);
    binding.dispose();
    runOptions.dispose();
    values.forEach((value) => value.dispose());
    return out.slice(-config.hiddenSize);
  });
  session.dispose();
  return rows;
}

describe.each(tinyNames)('the residual stream of %s', (name) => {
  it('agrees with transformers after the embedding and after each layer but the last, whose norm is part of the logits', async () => {
    const opened = await openTiny(fixtureFolder(name));
    const { prompts } = JSON.parse(readFileSync(join(fixtureFolder(name), 'reference.json'), 'utf8')) as HiddenReference;
    expect(prompts[0]?.hidden).toHaveLength(opened.config.numLayers + 1);
    for (let layers = 0; layers < opened.config.numLayers; layers += 1) {
      const rows = await residualAfter(opened, layers, prompts.map(({ ids }) => ids));
      prompts.forEach(({ name: prompt, hidden }, index) => {
        const row = rows[index] as Float32Array;
        const { first8, std } = hidden[layers] as HiddenReference['prompts'][number]['hidden'][number];
        const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
        const ownStd = Math.sqrt(row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length);
        expect(Math.abs(ownStd - std) / std, `${prompt}, std after ${layers} layers`).toBeLessThan(2e-4);
        first8.forEach((expected, at) => expect(Math.abs((row[at] as number) - expected) / std, `${prompt}, element ${at} after ${layers} layers`).toBeLessThan(2e-4));
      });
    }
  });
});
