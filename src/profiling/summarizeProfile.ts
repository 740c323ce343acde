/** From a profile to what a view shows of it. */

import type { Profile } from '../common/profile';
import type { ProfileSummary } from '../common/profileSummary';
import { hints } from './hints';
import { operatorTable } from './operatorTable';

export function summarizeProfile(profile: Profile): ProfileSummary {
  const { operators, bandwidth, ...rest } = profile;
  const tables = operators.map((steps) => operatorTable(steps, bandwidth));
  return { ...rest, operators: tables, hints: hints(profile, tables) };
}
