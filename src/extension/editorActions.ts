/** What the chat view asks of the editor. */

import * as vscode from 'vscode';
import { GlmError } from '../common/errors';
import type { Attachment } from '../common/protocol/webview';
import { decodeAttachment } from './chat/attachments';
import type { EditorActions } from './view/viewHandlers';

export const editorActions: EditorActions = {
  copyText: async (text) => void (await vscode.env.clipboard.writeText(text)),
  async insertText(text) {
    const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0];
    if (editor === undefined) {
      throw new GlmError('no-editor', 'No file is open to insert the code into. Open one, or use "New file" beside the code.');
    }
    await editor.edit((edit) => editor.selections.forEach((selection) => edit.replace(selection, text)));
    await vscode.window.showTextDocument(editor.document, editor.viewColumn);
  },
  async newFile(text, languageId) {
    const known = languageId === undefined ? [] : await vscode.languages.getLanguages();
    const document = await vscode.workspace.openTextDocument({ content: text, language: known.includes(languageId ?? '') ? languageId : undefined });
    await vscode.window.showTextDocument(document);
  },
  async pickAttachment() {
    const [uri] = (await vscode.window.showOpenDialog({ canSelectMany: false, openLabel: 'Attach', title: 'Attach a text file to the next question' })) ?? [];
    return uri === undefined ? undefined : readAttachment(uri);
  },
  openUrl: async (url) => void (await vscode.env.openExternal(vscode.Uri.parse(url, true))),
  runCommand: async (command, args) => void (await vscode.commands.executeCommand(command, ...args)),
  chooseModel: async (source) => void (await vscode.commands.executeCommand('glm.chooseModel', source)),
};

/** A file as an attachment, with what its editor has not saved yet. @throws {GlmError} when it is too large or no text. */
export async function readAttachment(uri: vscode.Uri): Promise<Attachment> {
  const name = vscode.workspace.asRelativePath(uri);
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  return open === undefined
    ? { name, text: decodeAttachment(name, await vscode.workspace.fs.readFile(uri)), languageId: languageOf(uri) }
    : { name, text: open.getText(), languageId: open.languageId };
}

/** The fence name of a file that is not open: its extension, which is what people write there. */
function languageOf(uri: vscode.Uri): string | undefined {
  return /\.([a-z0-9]{1,10})$/i.exec(uri.path)?.[1]?.toLowerCase();
}
