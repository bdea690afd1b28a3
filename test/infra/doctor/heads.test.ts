/** What a head needs in more than one way. */
import test from 'ava';
import type { Asked } from '../../../infra/doctor/check.ts';
import { aMachine, card } from './a-machine.ts';
import { find, told } from './find.ts';

test('an IPv6 address that another host has too, or may have, is found', async (t) => {
  const cards = [card('lo', '::1/128'), card('eth0', 'fd77::100/128')];
  const seen = (flags: string) =>
    aMachine({
      cards,
      files: { '/proc/net/if_inet6': `fd770000000000000000000000000100 02 80 00 ${flags}     eth0` },
    });
  const asked = { vips: ['fd77::100'] };
  t.regex((await find('shared address', 'head', seen('40'), asked))!.found, /tentative/);
  t.regex((await find('shared address', 'head', seen('48'), asked))!.found, /another host has it/);
  t.is((await find('shared address', 'head', seen('80'), asked))!.outcome, 'ok');
});

test('a head that is told its card may have the shared address on lo, if the card answers for it', async (t) => {
  const look = async (arpIgnore: string, asked: Asked) =>
    await find(
      'shared address',
      'head',
      aMachine({ settings: { 'net/ipv4/conf/all/arp_ignore': arpIgnore } }),
      asked,
    );
  const withCard = { ...told, interface: 'eth0' };
  t.like(await look('0', withCard), {
    outcome: 'ok',
    found: '10.77.0.100 is on lo, and eth0 answers for it',
  });
  t.is((await look('1', withCard))!.outcome, 'lacking');
  t.is((await look('0', told))!.outcome, 'lacking');
});

test('a head needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, which has them in it', async (t) => {
  const outcome = async (capEff: string) =>
    (await find(
      'privileges',
      'head',
      aMachine({ uid: 999, files: { '/proc/self/status': `CapEff:\t${capEff}` } }),
    ))!.outcome;
  t.is(await outcome('000000c000001000'), 'ok');
  t.is(await outcome('0000000000201000'), 'ok');
  t.is(await outcome('0000008000001000'), 'lacking');
});
