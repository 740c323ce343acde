/** "GLM: Explain This Message" and links in terminals: from what a library printed to the rule and the line behind it. */
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import { recognizeMessages, type RecognizedMessage } from '../../diagnostics/messages';
import { registerCommand } from '../commands/registerCommand';
import type { DiagnosticsController } from './diagnosticsController';
import { openRulePage } from './rulePages';

interface MessageLink extends vscode.TerminalLink {
  readonly message: RecognizedMessage;
}

export function registerExplainMessage(controller: DiagnosticsController, log: Log): vscode.Disposable {
  return vscode.Disposable.from(
    registerCommand(log, 'glm.explainMessage', (text) => explain(controller, typeof text === 'string' ? text : undefined)),
    vscode.window.registerTerminalLinkProvider({
      provideTerminalLinks: ({ line }): MessageLink[] =>
        recognizeMessages(line).map((message) => ({ startIndex: message.start, length: message.end - message.start, tooltip: `GLM: explain this ${message.library} message`, message })),
      handleTerminalLink: ({ message }: MessageLink) => show(controller, message),
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
      await show(controller, message);
      return;
    }
  }
  const typed = await vscode.window.showInputBox({ title: 'Explain This Message', prompt: 'Paste what transformers, accelerate, PyTorch or ONNX Runtime printed', placeHolder: 'RuntimeError: Expected all tensors to be on the same device, …' });
  if (typed === undefined) {
    return;
  }
  const [message] = recognizeMessages(typed);
  if (message) {
    await show(controller, message);
  } else {
    void vscode.window.showInformationMessage('This message is not known. The rules explain the usual causes of device errors.', 'Show Rules').then((choice) => choice && openRulePage(undefined));
  }
}

async function show(controller: DiagnosticsController, message: RecognizedMessage): Promise<void> {
  const places = controller.findingsOf(message.rules);
  const [place] = places;
  const [rule] = message.rules;
  const page = rule === undefined ? undefined : `Open ${rule}`;
  const line = place && `Show ${vscode.workspace.asRelativePath(place.uri)}:${place.diagnostic.range.start.line + 1}`;
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
    await vscode.window.showTextDocument(place.uri, { selection: place.diagnostic.range });
  }
}
