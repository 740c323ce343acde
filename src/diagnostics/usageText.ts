/** How the linter is run outside the editor: the part of docs/rules/README.md below the table. */

const commands = `\`\`\`console
glm lint src notebooks/demo.ipynb       # text, one line a finding
glm lint --format sarif . > glm.sarif   # or json, github
glm lint --fix .                        # safe fixes; --unsafe-fixes for the others
cat train.py | glm lint -               # one file from stdin
\`\`\``;

const config = `\`\`\`toml
[tool.glm]
ignore = ["GLM301"]
exclude = ["third_party/**"]

[tool.glm.severity]
GLM103 = "warning"
\`\`\``;

const hook = `\`\`\`yaml
repos:
  - repo: https://github.com/glm-local/glm-local
    rev: v0.1.0 # the version you use
    hooks:
      - id: glm-lint
\`\`\``;

export const usage = {
  en: [
    '## On the command line',
    'It exits with 1 when something is found and with 2 when an option, the configuration or a file cannot be used; in JSON lines and columns count from 1, cells from 0 among all cells.',
    commands,
    '',
    '## Configuration',
    'For each file the nearest `pyproject.toml` with such a table counts, from its own folder upwards; patterns of `exclude` are seen from there, and `--select` and `--ignore` come before it.',
    'The editor reads it too, for notebooks and *GLM: Check Python Files in Workspace* as well; what `glm.lint.rules` sets for a rule comes before it, excluded files are not looked at, and one that cannot be used is told in the log.',
    config,
    '',
    '## Before each commit',
    'The hook for [pre-commit](https://pre-commit.com) needs Node 20 or newer; its first run installs and builds in a folder of its own, which takes minutes.',
    hook,
    '',
  ],
  zh: [
    '## 命令行',
    '有发现时退出码为 1，选项、配置或文件无法使用时为 2；JSON 中行与列从 1 开始，单元格在全部单元格中从 0 开始。',
    commands,
    '',
    '## 配置',
    '对每个文件，从其所在目录向上，使用最近的含有此表的 `pyproject.toml`；`exclude` 的模式以该文件所在目录为准，`--select` 与 `--ignore` 优先。',
    '编辑器也会读取它，同样用于笔记本和 *GLM: Check Python Files in Workspace*；`glm.lint.rules` 为某条规则设定的值优先，被排除的文件不检查，无法使用的配置会写入日志。',
    config,
    '',
    '## 提交之前',
    '[pre-commit](https://pre-commit.com) 钩子需要 Node 20 或更新版本；首次运行会在自己的目录中安装并构建，需要几分钟。',
    hook,
    '',
  ],
} as const satisfies Record<'en' | 'zh', readonly string[]>;
