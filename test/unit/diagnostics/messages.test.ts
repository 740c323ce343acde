import { describe, expect, it } from 'vitest';
import { recognizeMessages } from '../../../src/diagnostics/messages';
import { findRule } from '../../../src/diagnostics/rules/registry';

/** Verbatim texts of the libraries, with what they must lead to. */
const printed: readonly (readonly [text: string, id: string, rule: string | undefined, devices: readonly string[]])[] = [
  [
    "/site-packages/transformers/generation/utils.py:1885: UserWarning: You are calling .generate() with the `input_ids` being on a device type different than your model's device. `input_ids` is on cpu, whereas the model is on cuda. You may experience unexpected behaviors or slower generation. Please make sure that you have put `input_ids` to the correct device by calling for example input_ids = input_ids.to('cuda') before running `.generate()`.",
    'generate-device-mismatch',
    'GLM101',
    ['cpu', 'cuda'],
  ],
  ['RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (when checking argument for argument index in method wrapper_CUDA__index_select)', 'two-devices', 'GLM106', ['cuda:0', 'cpu']],
  ['Expected all tensors to be on the same device, but got index is on cpu, different from other tensors on cuda:0 (when checking argument in method wrapper_CUDA__index_select)', 'two-devices', 'GLM106', ['cpu', 'cuda:0']],
  ["You shouldn't move a model that is dispatched using accelerate hooks.", 'moving-hooked-model', 'GLM104', []],
  ["RuntimeError: You can't move a model that has some modules offloaded to cpu or disk.", 'moving-offloaded-model', 'GLM104', []],
  ['Some parameters are on the meta device (device) because they were offloaded to the cpu (and disk).', 'parameters-on-meta', 'GLM103', []],
  ['Some parameters are on the meta device device because they were offloaded to the cpu.', 'parameters-on-meta', 'GLM103', []],
  ['You shouldn’t move a model when it is dispatched on multiple devices.', 'moving-hooked-model', 'GLM104', []],
  ['RuntimeError: Expected object of device type cuda but got device type cpu for argument #3 \'index\' in call to _th_index_select', 'two-devices', 'GLM106', ['cuda', 'cpu']],
  ['RuntimeError: Tensor on device cuda:0 is not on the expected device meta!', 'two-devices', 'GLM106', ['cuda:0', 'meta']],
  ['RuntimeError: indices should be either on cpu or on the same device as the indexed tensor (cpu)', 'two-devices', 'GLM106', ['cpu', 'cpu']],
  ['RuntimeError: Input type (torch.FloatTensor) and weight type (torch.cuda.HalfTensor) should be the same or input should be a MKLDNN tensor and weight is a dense tensor', 'input-and-weight-devices', 'GLM101', []],
  ['RuntimeError: Placeholder storage has not been allocated on MPS device!', 'input-and-weight-devices', 'GLM101', []],
  ['ValueError: Calling `cuda()` is not supported for `8-bit` quantized models with the installed version of bitsandbytes.', 'moving-bitsandbytes-model', 'GLM104', []],
  ['Some parameters are on the meta device because they were offloaded to the cpu and disk.', 'parameters-on-meta', 'GLM103', []],
  ['ValueError: `.to` is not supported for `4-bit` or `8-bit` bitsandbytes models. Please use the model as it is, since the model has already been set to the correct devices and casted to the correct `dtype`.', 'moving-bitsandbytes-model', 'GLM104', []],
  ["Specified provider 'CUDAExecutionProvider' is not in available provider names. Available providers: CPUExecutionProvider", 'provider-not-available', undefined, []],
  ['Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 12.*. Please install all dependencies', 'cuda-provider-failed', undefined, []],
  ['Some nodes were not assigned to the preferred execution providers which may or may not have an negative impact on performance. e.g. ORT explicitly assigns shape related ops to CPU to improve perf.', 'nodes-not-on-provider', undefined, []],
  ['4 Memcpy nodes are added to the graph main_graph for CUDAExecutionProvider. It might have negative impact on performance (including unable to run CUDA graph).', 'memcpy-nodes', undefined, []],
];

describe('recognizeMessages', () => {
  it.each(printed)('knows %j', (text, id, rule, devices) => {
    const [message, ...others] = recognizeMessages(`Traceback:\n${text}\n`);
    expect(others).toEqual([]);
    expect(message).toMatchObject({ id, devices });
    expect(message?.rules[0]).toBe(rule);
    message?.rules.forEach((code) => expect(findRule(code), code).toBeDefined());
    expect(message?.url).toContain(rule ?? 'README');
  });

  it('finds a message that a narrow terminal has wrapped', () => {
    const wrapped = 'RuntimeError: Expected all tensors to be on the same device, but found at least two\n  devices, cuda:0 and cpu!';
    const [message] = recognizeMessages(wrapped.replace('two\n  devices', 'two\n devices').replace('\n ', '\n'));
    expect(message?.devices).toEqual(['cuda:0', 'cpu']);
  });

  it.each([
    ['in colour', (text: string) => `\u001b[0;93m2026-12-01 10:11:12.123456789 [W:onnxruntime:, transformer_memcpy.cc:111 ApplyImpl] \u001b[1m${text.replaceAll(' ', ' \u001b[31m')}\u001b[m`],
    ['in colour whose escape characters copying has lost', (text: string) => text.replaceAll(' ', ' [0;31m')],
    ['in the output of a notebook as it is stored', (text: string) => `"\\u001b[31m${text.replaceAll(' ', ' \\u001b[0m').replaceAll("'", "\\'")}\\n"`],
    ['in the frame of a traceback', (text: string) => `│ ${text.replaceAll(/(.{20}) /g, '$1          │\n│ ')} │`],
    ['pasted into a box of one line, which drops line ends', (text: string) => text.replaceAll(/(.{30}) /g, '$1')],
    ['behind the prefix of a log', (text: string) => `2026-12-01T10:11:12Z worker-0 | ERROR ${text}`],
    ['with Windows line ends', (text: string) => text.replaceAll(/(.{40}) /g, '$1\r\n')],
  ])('knows every message %s', (_how, dressed) => {
    for (const [text, id, , devices] of printed) {
      expect(recognizeMessages(dressed(text)).map((message) => [message.id, message.devices]), dressed(text)).toEqual([[id, devices]]);
    }
  });

  it('reads a long log in little time', () => {
    const log = `${'2026-12-01 10:11:12 \u001b[32mINFO\u001b[0m step 12345 loss 0.123 on cuda:0 for the graph\n'.repeat(20_000)}${printed[0]?.[0] ?? ''}`;
    const start = performance.now();
    expect(recognizeMessages(log).map(({ id }) => id)).toEqual(['generate-device-mismatch']);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('points at the words it recognised', () => {
    const text = 'xx You shouldn\'t move a model that is dispatched using accelerate hooks. yy';
    const [message] = recognizeMessages(text);
    expect(text.slice(message?.start, message?.end)).toBe("You shouldn't move a model that is dispatched using accelerate hooks");
  });

  it('is silent about other text', () => {
    expect(recognizeMessages('Input type (torch.cuda.FloatTensor) and weight type (torch.cuda.HalfTensor) should be the same')).toEqual([]);
    expect(recognizeMessages('All tensors are fine. You can move a model. .to is supported.')).toEqual([]);
  });
});
