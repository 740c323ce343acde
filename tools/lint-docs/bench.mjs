// Prints how long the linter takes: cold, and after a keystroke in a 1,000-line file. CPU time, so that a busy machine does not distort it.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { nodeBundle } from '../nodeBundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const entry = `
  export { LintSession, lintPython } from ${JSON.stringify(join(root, 'src/diagnostics/analyzer.ts'))};
  export { createPythonParser } from ${JSON.stringify(join(root, 'src/diagnostics/pythonParser.ts'))};
`;
const bundled = await esbuild.build({
  stdin: { contents: entry, resolveDir: root, loader: 'ts' },
  ...nodeBundle,
  write: false,
});
const file = join(mkdtempSync(join(tmpdir(), 'glm-bench-lint-')), 'lint.cjs');
writeFileSync(file, bundled.outputFiles[0].text);
const { LintSession, lintPython, createPythonParser } = createRequire(import.meta.url)(file);

const parser = await createPythonParser({
  engineWasm: join(root, 'node_modules/web-tree-sitter/web-tree-sitter.wasm'),
  pythonWasm: join(root, 'node_modules/@vscode/tree-sitter-wasm/wasm/tree-sitter-python.wasm'),
});

/** A script as people write them, repeated under other names until it has the lines wanted. */
const block = (index) => `
class Assistant${index}:
    def __init__(self, path, device="cuda"):
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModelForCausalLM.from_pretrained(path, torch_dtype=torch.bfloat16, device_map="auto").eval()
        self.history = []

    def build(self, messages):
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return self.tokenizer([text], return_tensors="pt", padding=True)

    def ask(self, question, max_new_tokens=256):
        self.history.append({"role": "user", "content": question})
        inputs = self.build(self.history)
        inputs = {key: value.to(self.model.device) for key, value in inputs.items()}
        start = time.perf_counter()
        with torch.no_grad():
            output = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=True, temperature=0.7)
        seconds = time.perf_counter() - start
        answer = self.tokenizer.decode(output[0][inputs["input_ids"].shape[1]:], skip_special_tokens=True)
        print(f"{output.shape[1] / seconds:.1f} tokens/s")
        return answer
`;
const linesOf = (count) => {
  let text = 'import time\nimport torch\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n';
  for (let index = 0; text.split('\n').length < count; index++) {
    text += block(index);
  }
  return text.split('\n').slice(0, count).join('\n');
};

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const time = (body) => {
  const before = cpuMs();
  body();
  return cpuMs() - before;
};
const quantile = (values, fraction) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * fraction))];

const text = linesOf(1000);
const coldMs = time(() => lintPython(parser, text));
const session = new LintSession(parser);
session.update(text);
// Typing one comment and one statement in the middle of the file, keystroke by keystroke, then deleting it again.
const typed = '\n        # look at the first token\n        first = output[0][:1].tolist()\n';
const at = text.indexOf('\n', Math.floor(text.length / 2));
const keystrokes = [];
for (let length = 1; length <= typed.length; length++) {
  keystrokes.push(text.slice(0, at) + typed.slice(0, length) + text.slice(at));
}
keystrokes.push(...[...keystrokes].reverse());
const editMs = keystrokes.map((next) => time(() => session.update(next)));
const large = linesOf(1000).repeat(Math.ceil(1_000_000 / text.length)).slice(0, 1_000_000);
const largeMs = time(() => lintPython(parser, large));

const format = (ms) => `${ms.toFixed(1)} ms`;
process.stdout.write(
  [
    `1,000 lines, first time: ${format(coldMs)}`,
    `1,000 lines, after a keystroke (${editMs.length} keystrokes): median ${format(quantile(editMs, 0.5))}, 95 % ${format(quantile(editMs, 0.95))}, worst ${format(Math.max(...editMs))}`,
    `1 MB: ${format(largeMs)}`,
    '',
  ].join('\n'),
);
