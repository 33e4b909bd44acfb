// Bellwether in a worker whose browser cannot sign: what the signatures of a drain cost, its server's checks included.
import { queueWith } from './bellwether.mjs';

export const meta = {
  title: 'bellwether, unsigned', kind: 'ours', pkgs: [], order: 1, drains: ['sqlite', 'memory'], sync: { sqlite: ['--allow-unsigned'], memory: ['--allow-unsigned', '--memory'] }, package: '../../npm/dist',
  note: 'as bellwether, without keys to sign with',
};

export const queue = (ctx) => queueWith('sw.js', ctx);

export function sw(self) {
  // As in a browser that has neither of the two kinds of keys.
  self.crypto.subtle.generateKey = () => Promise.reject(new DOMException('not here', 'NotSupportedError'));
  self.importScripts('bellwether-sw.js');
}
