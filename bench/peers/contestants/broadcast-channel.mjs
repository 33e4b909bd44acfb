// A library that elects a tab: by Web Locks, where there are any.
import { BroadcastChannel as BC, createLeaderElection } from 'broadcast-channel';
export const meta = { title: 'broadcast-channel', kind: 'peer', pkgs: ['broadcast-channel'], order: 21, note: 'as shipped: Web Locks where present; lets go of the lock in its unload handler' };
export async function leader({ name }, tell) {
  createLeaderElection(new BC(name)).awaitLeadership().then(tell);
}
