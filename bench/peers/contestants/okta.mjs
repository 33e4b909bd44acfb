// The election inside a library for signing in; it is broadcast-channel's.
import { LeaderElectionService } from '../node_modules/@okta/okta-auth-js/esm/browser/services/LeaderElectionService.js';
export const meta = { title: '@okta/okta-auth-js, its election', kind: 'peer', pkgs: ['@okta/okta-auth-js'], order: 30, note: 'an internal module, reached past the export map' };
export async function leader({ name }, tell) {
  await new LeaderElectionService({ electionChannelName: name, onLeader: async () => tell() }).start();
}
