import test from 'ava';
import { lacking, ok, unknown, warning } from '../../../infra/doctor/check.ts';
import { render } from '../../../infra/doctor/render.ts';

test('what is lacking is marked, with the command that fixes it below', (t) => {
  const text = render([
    { role: 'any', findings: [{ check: 'Node.js', ...ok('24.12.0') }] },
    {
      role: 'delivery',
      findings: [
        {
          check: 'shared address',
          ...lacking('10.0.0.9 is not on this host', 'ip addr add 10.0.0.9/32 dev lo'),
        },
        { check: 'ECN', ...warning('on') },
        { check: 'secret', ...unknown('not told') },
      ],
    },
  ]);
  t.is(
    text,
    `every part of Baton
  ✓ Node.js         24.12.0

delivery: adopts connections of a head on another host
  ✗ shared address  10.0.0.9 is not on this host
                    -> ip addr add 10.0.0.9/32 dev lo
  ! ECN             on
  ? secret          not told

lacking: delivery shared address, 1 warning, 1 not known
sysctl, ip and ulimit last until the next start: /etc/sysctl.d, the network and service files keep them`,
  );
});

test('a machine that lacks nothing is told so, and nothing about commands', (t) => {
  const text = render([{ role: 'any', findings: [{ check: 'Node.js', ...ok('24.12.0') }] }]);
  t.regex(text, /\n\nnothing that is needed is lacking$/);
});
