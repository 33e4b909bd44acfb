// The same library where there are no Web Locks: tabs elect by messages.
import { BroadcastChannel as BC, createLeaderElection } from 'broadcast-channel';
export const meta = { title: 'broadcast-channel, Web Locks hidden', kind: 'peer', pkgs: ['broadcast-channel'], order: 22, note: '`navigator.locks` is hidden before use, so that the election by messages runs' };
export async function leader({ name }, tell) {
  Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true });
  createLeaderElection(new BC(name)).awaitLeadership().then(tell);
}
