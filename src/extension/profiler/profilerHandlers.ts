/** Answers what the profiler's panel asks. Talks to the editor through one interface, so that it is tested without it. */

import type { Profile } from '../../common/profile';
import type { ProfileSummary } from '../../common/profileSummary';
import type { ProfilerState, ProfilerViewContract } from '../../common/protocol/profilerView';
import type { RpcHandlers } from '../../common/protocol/rpc';
import { chromeTraceText } from '../../profiling/chromeTrace';

export interface ProfilerActions {
  /** Asks where to and writes; undefined when the user chose no file, otherwise the file's name. */
  saveFile(suggestedName: string, kind: { readonly label: string; readonly extension: string }, pieces: Iterable<string>): Promise<string | undefined>;
  runCommand(command: string): Promise<void>;
}

/** A profile from a file, while one is shown instead of what is recorded. */
export interface ShownProfile {
  saved?: { readonly name: string; readonly profile: Profile; readonly summary: ProfileSummary };
}

/** What is recorded; `ProfilerService` has it. */
export interface LiveProfile {
  state(): ProfilerState;
  profile(): Profile;
}

export function createProfilerHandlers(shown: ShownProfile, live: LiveProfile, actions: ProfilerActions): RpcHandlers<ProfilerViewContract> {
  const run = async (command: string): Promise<Record<string, never>> => {
    await actions.runCommand(command);
    return {};
  };
  return {
    'view-ready': () => stateOf(shown, live),
    'generation-profile': () => run('glm.profileGeneration'),
    'model-load': () => run('glm.loadModel'),
    'chat-show': () => run('glm.focusView'),
    'profile-open': () => run('glm.openProfile'),
    'live-show': () => {
      shown.saved = undefined;
      return live.state();
    },
    'profile-export': async ({ format }) => {
      const profile = shown.saved?.profile ?? live.profile();
      const name = fileName(profile);
      const fileNameChosen =
        format === 'json'
          ? await actions.saveFile(`${name}.glm-profile.json`, { label: 'Profile', extension: 'json' }, [JSON.stringify(profile)])
          : await actions.saveFile(`${name}.trace.json`, { label: 'Chrome trace', extension: 'json' }, chromeTraceText(profile));
      return fileNameChosen === undefined ? {} : { fileName: fileNameChosen };
    },
  };
}

export function stateOf({ saved }: ShownProfile, live: Pick<LiveProfile, 'state'>): ProfilerState {
  return saved === undefined ? live.state() : { source: { kind: 'saved', name: saved.name }, model: live.state().model, profile: saved.summary };
}

/** `glm-local-demo-chat-2026-11-23-1405`, of characters that every file system takes. */
function fileName({ model, startedAtMs }: Profile): string {
  const name = (model?.description.name ?? 'devices').replace(/[^\w.-]+/g, '-');
  return `${name}-${new Date(startedAtMs).toISOString().slice(0, 16).replace('T', '-').replace(':', '')}`;
}
