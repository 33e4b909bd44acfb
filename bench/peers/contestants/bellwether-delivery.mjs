// Bellwether without a worker: from the end of the page that hosts until an event of another page is delivered.
import { hosted } from './bellwether.mjs';
export const meta = { title: 'bellwether, until an event is delivered', kind: 'ours', pkgs: [], order: 2, package: '../../npm/dist', sync: { leader: [] }, stirs: ['close', 'crash'], note: 'enqueued by one of the others right after the host has gone; the time ends when `delivered` resolves in that page' };
export const leader = (ctx, tell) => hosted(ctx, { delivered: tell });
