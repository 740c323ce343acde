import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { deviceId } from '../../../../src/common/deviceId';
import type { WeightFormat } from '../../../../src/common/dtype';
import type { FusedModel } from '../../../../src/cuda/decode/fusedModel';
import { kernelNodes } from '../../../../src/engine/worker/profile/kernelNodes';
import { layerOfNode, nodeWork } from '../../../../src/engine/worker/profile/nodeWork';
import { parseGlmConfig, type GlmConfig } from '../../../../src/model/config';
import { modelSizes } from '../../../../src/model/modelSizes';
import { precisionFor } from '../../../../src/model/precision';
import { buildStageGraph } from '../../../../src/model/stageGraph';
import { fixtureFolder, openTiny, tinyNames } from './tinyCheckpoint';

const whole = (config: GlmConfig) => ({ firstLayer: 0, endLayer: config.numLayers, hasEmbedding: true, hasHead: true });

describe('nodeWork', () => {
  it.each(tinyNames)('counts every weight of %s once, and keys and values of the positions in use', async (name) => {
    const { config } = await openTiny(fixtureFolder(name));
    const { graph, stored } = buildStageGraph(config, whole(config), precisionFor('cpu', 'f32'), { kind: 'inputs' }, 64, () => 'bf16');
    const weights = new Set(stored.map((tensor) => tensor.name));
    const nodes = graph.builtNodes;
    const work = nodeWork(nodes, { tokens: 1, contextTokens: 10 });
    expect([...work.values()].filter(({ bytes }) => bytes === undefined)).toHaveLength(nodes.filter(({ operator }) => operator === 'Reshape' || operator === 'Shape').length);
    // Without its activations, what a step reads are its weights; of the embedding one row.
    const activationBytes = nodes.reduce((sum, { operator, inputs, outputs }) => {
      const values = operator === 'Gather' ? outputs : operator === 'Slice' ? [outputs[0], outputs[0]] : [...inputs.filter((value) => value !== undefined && !weights.has(value.name) && !/^(past|rope|seqlens|total)/.test(value.name)), ...outputs.filter((value) => value !== undefined && !value.name.startsWith('present'))];
      return sum + values.reduce((bytes, value) => bytes + value!.shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 1), { f32: 4, bf16: 2, i32: 4, i64: 8 }[value!.dtype as 'f32'] ?? NaN), 0);
    }, 0);
    const sizes = modelSizes(config, 'f32', 'f32');
    const expected = sizes.layerBytes.reduce((sum, bytes) => sum + bytes, 0) + sizes.headBytes + 2 * config.hiddenSize + config.numLayers * sizes.kvBytesPerTokenPerLayer * 12;
    expect([...work.values()].reduce((sum, { bytes = 0 }) => sum + bytes, 0) - activationBytes).toBe(expected);
  });

  it('multiplies by the tokens of a step, and attends to everything before each', async () => {
    const { config } = await openTiny(fixtureFolder('tiny-glm4'));
    const { graph } = buildStageGraph(config, whole(config), precisionFor('cpu', 'int4'), { kind: 'inputs' }, 64, () => 'bf16');
    const [one, eight] = [1, 8].map((tokens) => nodeWork(graph.builtNodes, { tokens, contextTokens: 16 }));
    const { hiddenSize, intermediateSize, numHeads, headDim } = config;
    expect(one!.get('/layers.0/mlp/gate_up')?.flops).toBe(2 * hiddenSize * 2 * intermediateSize);
    expect(eight!.get('/layers.0/mlp/gate_up')?.flops).toBe(8 * 2 * hiddenSize * 2 * intermediateSize);
    expect(one!.get('/layers.0/attn')?.flops).toBe(4 * numHeads * headDim * 17);
    expect(eight!.get('/layers.0/attn')?.flops).toBe(4 * numHeads * headDim * (8 * 16 + 36));
    // Only the last position's logits are wanted.
    expect(eight!.get('/lm_head')).toEqual(one!.get('/lm_head'));
  });

  it('finds the layer in names of the graph and in those that the runtime makes of them', () => {
    expect(['/layers.12/mlp/down', 'InsertedCast_/layers.3/attn', '/embedding', '/lm_head'].map(layerOfNode)).toEqual([12, 3, undefined, undefined]);
  });
});

describe('kernelNodes', () => {
  const layer = ['projectQkv', 'attendToken', 'projectOutput', 'projectGateUp', 'projectDown'];
  const head = ['projectLogits', 'pickFromLogits', 'pickFromPicked', 'pickFromPicked', 'finishStep'];

  it.each(['bf16', 'int8', 'int4'] as const satisfies readonly WeightFormat[])('counts every weight of a model in %s once', (format) => {
    const config = parseGlmConfig(JSON.parse(readFileSync(`${fixtureFolder('tiny-glm4')}/config.json`, 'utf8')), ['lm_head.weight']);
    const precision = precisionFor('cuda', format);
    const model: FusedModel = { ...config, rmsNormEps: config.rmsNormEpsilon, hasSandwichNorms: true, weightBits: format === 'int4' ? 4 : format === 'int8' ? 8 : 16, scaleDtype: 'bf16', contextTokens: 64, kvDtype: 'bf16' };
    const nodes = kernelNodes(['embedToken', ...Array.from({ length: config.numLayers }, () => layer).flat(), ...head], model, { stageIndex: 0, device: deviceId('cuda', 0), firstLayer: 0, contextTokens: 9, blockSize: precision.blockSize });
    const sizes = modelSizes(config, format, 'bf16', { provider: 'cuda' });
    const weightBytes = sizes.layerBytes.reduce((sum, bytes) => sum + bytes, 0) + sizes.headBytes + config.numLayers * sizes.kvBytesPerTokenPerLayer * 10;
    const counted = nodes.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
    // What remains are f32 vectors between kernels.
    const { hiddenSize, intermediateSize, vocabSize, numHeads, numKvHeads, headDim } = config;
    const [querySize, qkvSize] = [numHeads * headDim, (numHeads + 2 * numKvHeads) * headDim];
    const vectors = config.numLayers * (3 * hiddenSize + 2 * qkvSize + (hiddenSize + querySize) + (3 * hiddenSize + intermediateSize) + (hiddenSize + intermediateSize)) + (2 * hiddenSize + vocabSize) + vocabSize;
    expect(counted - 4 * vectors - 6 * hiddenSize).toBe(weightBytes);
  });

  it('gives each launch its layer and a name of its own', () => {
    const config = parseGlmConfig(JSON.parse(readFileSync(`${fixtureFolder('tiny-glm4')}/config.json`, 'utf8')), ['lm_head.weight']);
    const model: FusedModel = { ...config, rmsNormEps: 1e-5, hasSandwichNorms: true, weightBits: 16, scaleDtype: 'bf16', contextTokens: 64, kvDtype: 'bf16' };
    const nodes = kernelNodes([...layer, ...layer, ...head], model, { stageIndex: 1, device: deviceId('cuda', 1), firstLayer: 20, contextTokens: 0, blockSize: 32 });
    expect(nodes.map(({ name }) => name)).toEqual([...layer.map((kernel) => `/layers.20/${kernel}`), ...layer.map((kernel) => `/layers.21/${kernel}`), '/lm_head', '/pickFromLogits', '/pickFromPicked', '/pickFromPicked:1', '/finishStep']);
    expect(nodes.map(({ layer: index }) => index)).toEqual([...Array<number>(5).fill(20), ...Array<number>(5).fill(21), undefined, undefined, undefined, undefined, undefined]);
    expect(nodes.every(({ provider, stageIndex, device }) => provider === 'GLM Local' && stageIndex === 1 && device === 'cuda:1')).toBe(true);
  });
});
