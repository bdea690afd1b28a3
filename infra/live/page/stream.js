// The seconds as they come. A page that nobody sees asks for none, and for what it has missed when it is seen again:
// browsers open six connections to a server at once, and somebody may have more tabs than that.

const UNSEEN_MS = 5000;

export function follow({ lastSeen, onTick, onState, onOver }) {
  let source;
  let leaving;
  let isOver = false;

  function open() {
    if (source || isOver) return;
    source = new EventSource(`seconds?after=${lastSeen()}`);
    source.onopen = () => onState('live');
    source.onmessage = ({ data }) => onTick(JSON.parse(data));
    source.onerror = () => {
      onState('lost');
      // Asked anew with what is known now; the browser would repeat the address that it has.
      if (source?.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 1000);
      }
    };
    source.addEventListener('over', ({ data }) => {
      isOver = true;
      close();
      onState('over');
      onOver(JSON.parse(data));
    });
  }
  function close() {
    source?.close();
    source = undefined;
  }

  document.addEventListener('visibilitychange', () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(close, UNSEEN_MS);
    else open();
  });
  open();
}

/** Has something done; the reason where it was not. */
export async function perform(name, given = {}) {
  try {
    const answer = await fetch('do', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ do: name, with: given }),
    });
    return answer.ok ? undefined : (await answer.json()).problem;
  } catch {
    return 'the server of this page does not answer; is baton still running?';
  }
}
