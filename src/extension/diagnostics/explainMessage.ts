/** "GLM: Explain This Message" and links in terminals: from what a library printed to the rule and the line behind it. */
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import { recognizeMessages, type RecognizedMessage } from '../../diagnostics/messages';
import { registerCommand } from '../commands/registerCommand';
import type { DiagnosticsController, FoundPlace } from './diagnosticsController';
import { likelyPlace } from './likelyPlace';
import { openRulePage } from './rulePages';

interface MessageLink extends vscode.TerminalLink {
  readonly message: RecognizedMessage;
  /** The whole line. */
  readonly printed: string;
}

export function registerExplainMessage(controller: DiagnosticsController, log: Log): vscode.Disposable {
  return vscode.Disposable.from(
    registerCommand(log, 'glm.explainMessage', (text) => explain(controller, typeof text === 'string' ? text : undefined)),
    vscode.window.registerTerminalLinkProvider({
      provideTerminalLinks: ({ line }): MessageLink[] =>
        recognizeMessages(line).map((message) => ({ startIndex: message.start, length: message.end - message.start, tooltip: `GLM: explain this ${message.library} message`, message, printed: line })),
      handleTerminalLink: ({ message, printed }: MessageLink) => show(controller, message, printed),
    }),
  );
}

/** Takes the text handed over, else the editor's selection; asks when neither is a known message. */
async function explain(controller: DiagnosticsController, given: string | undefined): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  const candidates = [given, editor && !editor.selection.isEmpty ? editor.document.getText(editor.selection) : undefined];
  for (const candidate of candidates) {
    const [message] = recognizeMessages(candidate ?? '');
    if (message) {
      await show(controller, message, candidate ?? '');
      return;
    }
  }
  const typed = await vscode.window.showInputBox({ title: 'Explain This Message', prompt: 'Paste what transformers, accelerate, PyTorch or ONNX Runtime printed', placeHolder: 'RuntimeError: Expected all tensors to be on the same device, …' });
  if (typed === undefined) {
    return;
  }
  const [message] = recognizeMessages(typed);
  if (message) {
    await show(controller, message, typed);
  } else {
    void vscode.window.showInformationMessage('This message is not known. The rules explain the usual causes of device errors.', 'Show Rules').then((choice) => choice && openRulePage(undefined));
  }
}

async function show(controller: DiagnosticsController, message: RecognizedMessage, printed: string): Promise<void> {
  const place = placeBehind(controller, message, printed);
  const rule = place?.diagnostic.finding.rule ?? message.rules[0];
  const page = rule === undefined ? undefined : `Open ${rule}`;
  const line = place && `Show ${labelOf(place)}`;
  const scan = !place && rule !== undefined ? 'Search the Workspace' : undefined;
  const choice = await vscode.window.showInformationMessage(`${message.library}: ${message.meaning} ${message.advice}`, ...[line, scan, page].filter((label) => label !== undefined));
  if (choice === undefined) {
    return;
  }
  if (choice === page) {
    await openRulePage(rule);
  } else if (choice === scan) {
    await vscode.commands.executeCommand('glm.lintWorkspace');
  } else if (place) {
    // Unlike showTextDocument it opens a notebook as one, at the cell where it is known.
    await vscode.commands.executeCommand('vscode.open', place.uri, { selection: place.diagnostic.range } satisfies vscode.TextDocumentShowOptions);
  }
}

function placeBehind(controller: DiagnosticsController, message: RecognizedMessage, printed: string): FoundPlace | undefined {
  const active = vscode.window.activeTextEditor?.document.uri ?? vscode.window.activeNotebookEditor?.notebook.uri;
  const candidates = controller.findingsOf(message.rules).map((found) => ({
    ...found,
    path: found.uri.path,
    line: found.diagnostic.finding.range.start.line,
    ruleIndex: message.rules.indexOf(found.diagnostic.finding.rule),
    isActive: found.uri.path === active?.path,
    isOpen: vscode.workspace.textDocuments.some((document) => document.uri.path === found.uri.path),
  }));
  return likelyPlace(candidates, printed);
}

/** `sub/chat.ipynb, cell 3` or `ask.py:12` */
function labelOf({ uri, diagnostic: { finding } }: FoundPlace): string {
  const file = vscode.workspace.asRelativePath(vscode.Uri.file(uri.path));
  return finding.cell === undefined ? `${file}:${finding.range.start.line + 1}` : `${file}, cell ${finding.cell + 1}`;
}
