/** A chat over the real supervisor and client with a fake engine process behind them. */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/common/log';
import type { EngineContract } from '../../../src/common/protocol/engine';
import { EngineSupervisor, startEngine } from '../../../src/engine/client';
import { ChatSession } from '../../../src/extension/chat/chatSession';
import { OpenConversation } from '../../../src/extension/chat/openConversation';
import { ConversationStore } from '../../../src/extension/chat/conversationStore';
import { ModelService } from '../../../src/extension/model/modelService';
import { readLoadOptions, readSettings, type SettingReader } from '../../../src/extension/settings/settings';
import { FakeChild } from '../../fakes/fakeChild';
import { fakeEngineHandlers, type FakeEngineBehaviour } from '../../fakes/fakeEngine';

export interface TestChat {
  readonly folder: string;
  readonly store: ConversationStore;
  readonly supervisor: EngineSupervisor;
  readonly model: ModelService;
  readonly chat: ChatSession;
  /** Every engine process so far. */
  readonly children: FakeChild<EngineContract>[];
  readonly remembered: string[];
}

export function makeChat(behaviour: FakeEngineBehaviour = {}, options: { readonly folder?: string; readonly restartOnce?: boolean; readonly source?: string; readonly readSetting?: SettingReader } = {}): TestChat {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'glm-chat-'));
  const children: FakeChild<EngineContract>[] = [];
  const remembered: string[] = [];
  const supervisor = new EngineSupervisor({
    restartOnce: options.restartOnce,
    start: () =>
      startEngine({
        workerPath: 'none',
        fork: () => {
          const child = new FakeChild<EngineContract>(fakeEngineHandlers(behaviour));
          children.push(child);
          return child;
        },
      }),
  });
  const model = new ModelService({
    supervisor,
    log: silentLog,
    readLoadOptions: (source) => readLoadOptions((name) => options.readSetting?.(name), source, '/tmp/none'),
    defaultSource: () => options.source ?? '/models/fake-glm4',
    rememberSource: (source) => void remembered.push(source),
  });
  const store = new ConversationStore(join(folder, 'conversations'), silentLog);
  let id = 0;
  const chat = new ChatSession({
    store,
    model,
    log: silentLog,
    readSettings: () => ({ ...readSettings(() => undefined), mode: 'chat' }),
    maxConversations: () => 100,
    opened: new OpenConversation(join(folder, 'open-conversation.json'), silentLog),
    newId: () => `id-${++id}`,
  });
  return { folder, store, supervisor, model, chat, children, remembered };
}

/** Settles when the answer under way has ended. */
export function untilAnswered(chat: ChatSession): Promise<void> {
  return new Promise((resolve) => {
    if (chat.generation === undefined) {
      resolve();
      return;
    }
    const stop = chat.onGeneration.on((state) => {
      if (state === undefined) {
        stop();
        resolve();
      }
    });
  });
}
