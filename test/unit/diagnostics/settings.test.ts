import { describe, expect, it } from 'vitest';
import { lintPython } from '../../../src/diagnostics/analyzer';
import type { LintSettings } from '../../../src/diagnostics/settings';
import { pythonParser } from './lintHarness';

const source = (comment = '', above = ''): string => `from transformers import AutoModel, AutoTokenizer
tok = AutoTokenizer.from_pretrained("m")
model = AutoModel.from_pretrained("m", device_map="auto")
${above}
inputs = tok("Hi", return_tensors="pt").to("cuda")${comment}
model.generate(**inputs)
ids = tok.encode("Hi", return_tensors="pt")
model.generate(ids)
`;

async function codes(text: string, settings: LintSettings = {}): Promise<readonly string[]> {
  return lintPython(await pythonParser(), text, settings).map(({ rule, severity }) => `${rule} ${severity}`);
}

describe('ignore comments', () => {
  it.each(['  # noqa', '  # noqa: GLM103', '  # noqa: E501, GLM103', '  # NOQA:GLM103', '  # glm: ignore', '  # glm: ignore[GLM103]', '  # glm: ignore[GLM101, GLM103]', '  # why not  # glm:ignore'])('silences one line with %j', async (comment) => {
    expect(await codes(source(comment))).toEqual(['GLM101 warning']);
  });

  it.each(['  # noqa: E722', '  # glm: ignore[GLM101]', '  # ignore', '  # qa'])('does not take %j for one', async (comment) => {
    expect(await codes(source(comment))).toEqual(['GLM103 information', 'GLM101 warning']);
  });

  it('speaks of the next line when it stands alone', async () => {
    expect(await codes(source('', '# glm: ignore[GLM103]'))).toEqual(['GLM101 warning']);
    expect(await codes(source('', '# noqa: GLM103'))).toEqual(['GLM103 information', 'GLM101 warning']);
  });

  it('silences a file', async () => {
    expect(await codes(source('', '# glm: ignore-file[GLM101]'))).toEqual(['GLM103 information']);
    expect(await codes(source('', '# glm: ignore-file'))).toEqual([]);
  });

  it('is not found in a string', async () => {
    expect(await codes(source('; x = "# noqa"'))).toEqual(['GLM103 information', 'GLM101 warning']);
  });
});

describe('settings', () => {
  it('selects and ignores by code, prefix and name', async () => {
    expect(await codes(source(), { select: ['GLM101'] })).toEqual(['GLM101 warning']);
    expect(await codes(source(), { select: ['hard-coded-device'] })).toEqual(['GLM103 information']);
    expect(await codes(source(), { select: ['GLM2'] })).toEqual([]);
    expect(await codes(source(), { ignore: ['glm1'] })).toEqual([]);
  });

  it('changes severities and turns rules off and on', async () => {
    expect(await codes(source(), { severity: { GLM103: 'error', 'inputs-not-on-model-device': 'off' } })).toEqual(['GLM103 error']);
    expect(await codes(source(), { severity: { GLM302: 'hint' }, ignore: ['GLM1'] })).toEqual(['GLM302 hint']);
  });
});
