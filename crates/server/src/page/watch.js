'use strict';
// The player of the watch page. It appends fragmented MP4 to a media source; where a browser has
// none, and plays HLS by itself, the browser does it all. Old browsers take it: nothing in here is
// younger than 2017.
(() => {
// The page, and what the server knows of the stream.
const $ = (id) => document.getElementById(id);
const {root, stream: facts} = document.body.dataset;
let stream = JSON.parse(facts);
const query = (name) => (RegExp(`[?&]${name}=([\\w.~-]+)`).exec(location.search) || [])[1];
const token = query('token');
const address = (path) => root + path + (token ? `?token=${token}` : '');
const Source = window.MediaSource;

// What the viewer chose: low, auto, best, audio, or the name of a rendition.
const connection = navigator.connection || {};
let choice = query('q') || (connection.saveData ? 'low' : stored() || 'auto');

const video = document.createElement('video');
video.controls = true;
video.setAttribute('playsinline', '');
video.setAttribute('aria-label', stream.name);
$('stage').append(video);
$('panel').hidden = false;

// A newer run ends the older: each looks whether it is still the one.
let run = 0;
let current = null, rate = 0, failures = 0, stalls = [], trouble = '';
// In bytes: the page itself to begin with.
let used = performance.getEntries().reduce((sum, it) => sum + (it.transferSize || 0), 0);

// What cannot be gone on with as it is; in words for people, or none where the server is to be
// asked what has become of the stream.
class Over extends Error {}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const once = (target, event) => new Promise((done) => target.addEventListener(event, done, {once: true}));

function stored() {
  try { return localStorage.getItem('choice'); } catch (_) { return null; }
}

function say(text) {
  if ($('status').textContent !== text) $('status').textContent = text;
}

// Renditions and what they cost.
const kind = (it) => `${it.width ? 'video' : 'audio'}/mp4; codecs="${it.codecs}"`;
const lightest = (it) => it.name === (pictures()[0] || it).name;
const plays = (it) => !Source || Source.isTypeSupported(kind(it));
const pictures = () => stream.choices.filter((it) => it.width && plays(it));
const sounds = () => stream.choices.filter((it) => !it.width && plays(it));
const speed = (bps) => bps < 1e6 ? `${Math.round(bps / 1000)} kbit/s` : `${(bps / 1e6).toFixed(1)} Mbit/s`;

function megabytes(bytes) {
  const mb = bytes / 1e6;
  if (mb < 0.1) return `${Math.round(bytes / 1000)} kB`;
  return mb < 9.95 ? `${mb.toFixed(1)} MB` : mb < 995 ? `${Math.round(mb)} MB` : `${(mb / 1000).toFixed(1)} GB`;
}

function hourly(it) {
  const mb = it.average_bps * 450 / 1e6, step = mb < 100 ? 1 : 10;
  return `about ${megabytes(Math.round(mb / step) * step * 1e6).replace('.0', '')} per hour`;
}

function words(it) {
  if (!it.width) return 'Sound only';
  const fps = it.fps ? `, ${Math.round(it.fps)} fps` : '';
  return `${it.name === 'source' ? 'Original, ' : ''}${Math.min(it.width, it.height)}p${fps}`;
}

// The rendition to fetch next.
function wanted() {
  const all = pictures(), sound = sounds()[0];
  const named = stream.choices.find((it) => it.name === choice);
  if (named && plays(named)) return named;
  if (choice === 'audio') return sound || all[0];
  if (choice === 'low') return all[0] || sound;
  if (choice === 'best') return all[all.length - 1] || sound;
  return automatic(all) || sound;
}

// The heaviest rendition for which the link is fast enough with something to spare, and which has
// no more pixels than are shown. What is cut apart from the others cannot be changed to in time.
function automatic(all) {
  const shown = video.clientWidth * (window.devicePixelRatio || 1);
  const ladder = all.filter((it, at) => it.listed && !(at && all[at - 1].width >= shown));
  const now = ladder.findIndex((it) => current && it.name === current.name);
  let best = 0;
  ladder.forEach((it, at) => { if (it.average_bps * (it.name === (current || it).name ? 1.1 : 1.5) < rate) best = at; });
  // Up, only with enough in the buffer to come down again.
  if (best > now && now >= 0 && ahead() < 3) best = now;
  return ladder[best] || all[0];
}

// Over the wire. What fails is tried again: first soon, then every eight seconds.
let full = '', trips = [], loading = null;

async function again(error) {
  const offline = navigator.onLine === false && 'You are offline. It goes on when your connection is back.';
  trouble = offline || full || 'The server does not answer. Trying again …';
  if (error.name === 'AbortError' && rate && rate < current.average_bps) trouble = 'Your link is too slow for this one. Choose Data saver.';
  if (failures > 1) say(trouble);
  await sleep(Math.min(1000 * 2 ** failures++, 8000));
}

// The body of a response. `near` is called when its end is as near as a round trip: what is asked
// for then comes right behind it.
async function whole(response, near) {
  const length = +response.headers.get('Content-Length');
  if (!near || !length || !response.body) {
    const bytes = await response.arrayBuffer();
    used += bytes.byteLength;
    return bytes;
  }
  const all = new Uint8Array(length), reader = response.body.getReader();
  for (let filled = 0; ;) {
    const {done, value} = await reader.read();
    if (done) break;
    all.set(value, filled);
    filled += value.length;
    used += value.length;
    if (near && (length - filled) * 8000 < rate * Math.min(1000, ...trips)) near = near();
  }
  if (near) near();
  return all.buffer;
}

async function fetched(url, limit, near) {
  const controller = window.AbortController && new AbortController();
  const asked = performance.now();
  if (near) loading = controller;
  const timer = setTimeout(() => controller && controller.abort(), limit || (/\.m4s/.test(url) ? 60000 : 15000));
  try {
    const response = await fetch(url, controller ? {signal: controller.signal} : {});
    const arrived = performance.now();
    // Of segments alone, and the shortest of the last few: some have to be made first.
    if (near) trips = trips.slice(-4).concat(arrived - asked);
    if (response.status === 403) throw new Over('Your invitation is over. Ask for a new address where you got this one.');
    if (response.status === 503 && url.includes('.m3u8')) full = 'As many are watching as this server lets. Trying again …';
    if (response.status === 404) throw new Over();
    if (!response.ok) throw new Error(full);
    full = '';
    const bytes = await whole(response, near);
    // Only what is long enough tells how fast the link is.
    if (bytes.byteLength > 4000) {
      const sample = bytes.byteLength * 8000 / Math.max(performance.now() - arrived, 5);
      // A link that got slow is believed at once.
      rate = sample < rate / 2 || !rate ? sample : rate * 0.6 + sample * 0.4;
    }
    return bytes;
  } finally {
    clearTimeout(timer);
  }
}

const text = async (url) => new TextDecoder().decode(await fetched(url));

async function ask() {
  stream = JSON.parse(await text(address(`watch/${stream.name}/stream.json`)));
  show();
}

// A media playlist: its segments by number, each with its init segment and the number of the
// discontinuities before it.
async function playlist(rendition) {
  const url = new URL(address(`stream/${stream.name}/cmaf/${rendition.name}.m3u8`), location.href);
  const lines = (await text(url.href)).split('\n');
  const list = {segments: [], target: 2, ended: false};
  let number = 0, group = 0, duration = 0, map = '';
  const value = (line) => line.slice(line.indexOf(':') + 1);
  for (const line of lines) {
    if (line.startsWith('#EXT-X-TARGETDURATION')) list.target = +value(line);
    else if (line.startsWith('#EXT-X-MEDIA-SEQUENCE')) number = +value(line);
    else if (line.startsWith('#EXT-X-DISCONTINUITY-SEQUENCE')) group = +value(line);
    else if (line === '#EXT-X-DISCONTINUITY') group++;
    else if (line.startsWith('#EXT-X-MAP')) map = new URL(/URI="([^"]+)/.exec(line)[1], url).href;
    else if (line.startsWith('#EXTINF')) duration = parseFloat(value(line));
    else if (line === '#EXT-X-ENDLIST') list.ended = true;
    else if (line && line[0] !== '#') {
      list.segments.push({url: new URL(line, url).href, number: number++, group, duration, map});
    }
  }
  list.next = number;
  list.due = performance.now() + list.target * 1000;
  return list;
}

// Boxes of fragmented MP4 (ISO/IEC 14496-12): as much as tells when a segment begins.
function boxes(data, path, found, start = 0, end = data.byteLength) {
  while (start + 8 <= end) {
    const size = data.getUint32(start), type = String.fromCharCode(...[4, 5, 6, 7].map((at) => data.getUint8(start + at)));
    if (size < 8 || start + size > end) return;
    if (path[0] === type) {
      if (path.length === 1) found(start + 8, start + size);
      else boxes(data, path.slice(1), found, start + 8, start + size);
    }
    start += size;
  }
}

function timescales(bytes) {
  const data = new DataView(bytes), scales = {};
  boxes(data, ['moov', 'trak'], (start, end) => {
    let track, scale;
    const after = (at) => at + (data.getUint8(at) ? 20 : 12);
    boxes(data, ['tkhd'], (at) => { track = data.getUint32(after(at)); }, start, end);
    boxes(data, ['mdia', 'mdhd'], (at) => { scale = data.getUint32(after(at)); }, start, end);
    scales[track] = scale;
  });
  return scales;
}

// When the tracks of a segment begin, by its own clock.
function startTimes(bytes, scales) {
  const data = new DataView(bytes), times = [];
  boxes(data, ['moof', 'traf'], (start, end) => {
    let track, time = 0;
    boxes(data, ['tfhd'], (at) => { track = data.getUint32(at + 4); }, start, end);
    boxes(data, ['tfdt'], (at) => {
      time = data.getUint32(at + 4);
      if (data.getUint8(at)) time = time * 4294967296 + data.getUint32(at + 8);
    }, start, end);
    times.push(time / scales[track]);
  });
  return times;
}

// Seconds that can be played from here on.
function ahead() {
  const ranges = video.buffered, now = video.currentTime;
  for (let at = 0; at < ranges.length; at++) {
    if (now >= ranges.start(at) - 0.3 && now < ranges.end(at)) return ranges.end(at) - now;
  }
  return 0;
}

// Plays until the stream's end, or until something is the matter; nothing more once another run has
// begun.
async function play(me) {
  const media = new Source(), opened = once(media, 'sourceopen'), url = URL.createObjectURL(media);
  video.src = url;
  current = wanted();
  if (!current) throw new Over('This browser cannot play this stream.');
  let list = await playlist(current);
  await opened;
  URL.revokeObjectURL(url);
  let type = kind(current), next, group, scales, map = '', changed = false, place = true;
  let early = null, reading = false, fault = null;
  const buffer = media.addSourceBuffer(type);
  const listed = (number) => list && list.segments.find((it) => it.number === number);

  const remove = async (until) => {
    const gone = once(buffer, 'updateend');
    buffer.remove(0, until);
    await gone;
  };
  const append = async (bytes) => {
    const done = once(buffer, 'updateend');
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      if (error.name !== 'QuotaExceededError') throw error;
      // The buffer is full: room is where it has been seen, and comes with time.
      if (video.currentTime > 5) await remove(video.currentTime - 5);
      do await sleep(500); while (me === run && ahead() > 5);
      return append(bytes);
    }
    await done;
    if (video.error) throw new Over('This browser cannot play this. Try another choice.');
  };

  // The playlist is read again beside all else, so that the link is never idle for it.
  const reload = async () => {
    if (me !== run) return clearInterval(timer);
    if (reading || !list || list.ended || ahead() > 20 || performance.now() < list.due) return;
    reading = true;
    const old = list, rendition = current;
    try {
      const newer = await playlist(rendition);
      if (newer.next === old.next) newer.due -= newer.target * 500;
      if (list === old) list = newer;
    } catch (error) {
      fault = error;
    }
    reading = false;
  };
  const timer = setInterval(reload, 200);

  // A segment, and when its end is near the next one of the same kind.
  const load = (segment) => {
    // In a choice that can be changed, what takes longer than the buffer lasts is given up.
    const patience = choice === 'auto' && !lightest(current) && (segment.duration * 1.5 + ahead()) * 1000;
    const bytes = fetched(segment.url, patience, () => {
      const it = listed(segment.number + 1);
      if (it && !early && it.map === segment.map && me === run && ahead() < 15 && (wanted() || it).name === current.name) {
        early = {url: it.url, bytes: load(it)};
      }
    });
    bytes.catch(() => {});
    return bytes;
  };

  // One segment further. Three from the end it begins: what comes next is on its way when it is
  // needed.
  const step = async () => {
    if (fault) {
      const error = fault;
      fault = null;
      throw error;
    }
    const want = early ? current : wanted() || current;
    if (want.name !== current.name) {
      // Other tracks, or another grid, need another media source.
      const fits = !want.width === !current.width && want.listed === current.listed;
      if (!fits || kind(want) !== type && !buffer.changeType) return restart();
      list = null;
      changed = true;
    }
    current = want;
    list = list || await playlist(current);
    if (!list.segments.length) throw new Error();
    const first = list.segments[0].number;
    if (!(next >= first && next <= list.next + list.segments.length)) {
      // The beginning; or the link is slower than the stream, and what comes next is gone; or other
      // numbers have begun. For one whose list is a little behind is waited.
      next = Math.max(list.next - 3, first);
      place = true;
    }
    const segment = listed(next);
    if (!segment && list.ended) {
      media.endOfStream();
      if (video.paused && !paused) begin();
      if (!video.ended) await Promise.race([once(video, 'ended'), once(video, 'emptied')]);
      throw new Over();
    }
    if (!segment || ahead() > 20) {
      if (video.paused && !paused && ahead()) begin();
      return sleep(200);
    }
    const init = segment.map !== map && fetched(segment.map);
    if (init) init.catch(() => {});
    let bytes;
    try {
      const loading = early && early.url === segment.url ? early.bytes : load(segment);
      early = null;
      bytes = await loading;
    } catch (error) {
      if (error.name === 'AbortError') {
        if (choice === 'auto') rate = current.average_bps / 2;
        if (choice === 'auto' || (wanted() || current).name !== current.name) return;
      }
      if (!(error instanceof Over) || error.message) throw error;
      next++;
      place = true;
      list = null;
      return;
    }
    const head = init && await init;
    if (me !== run) return;
    if (head || changed) buffer.abort();
    if (head) {
      if (type !== kind(current) && buffer.changeType) buffer.changeType(type = kind(current));
      await append(head);
      map = segment.map;
      scales = timescales(head);
    }
    // A segment stands where the one before it ended, whatever its own clock says: with all of its
    // tracks, of which those of other renditions end and begin otherwise. Before the first one there
    // is nothing that they could lie over.
    if (place || changed || segment.group !== group) {
      const ranges = buffer.buffered, times = startTimes(bytes, scales);
      buffer.timestampOffset = ranges.length
        ? ranges.end(ranges.length - 1) - Math.max(...times) : -Math.min(...times);
      // Behind a discontinuity there may be another publisher, or none.
      if (segment.group > group) ask().catch(() => {});
      group = segment.group;
      place = changed = false;
    }
    await append(bytes);
    next++;
    if (video.currentTime > 40) await remove(video.currentTime - 20);
    // On a link that is hardly fast enough the first picture stands until there is something to go on
    // with.
    if (video.paused && !paused && (rate > current.average_bps * 2 || ahead() > segment.duration * 1.5)) begin();
    failures = 0;
    trouble = '';
  };

  while (me === run) {
    try {
      await step();
    } catch (error) {
      // Behind an error of the video nothing can be appended any more.
      if (error instanceof Over || video.error || media.readyState !== 'open') {
        clearInterval(timer);
        throw error;
      }
      list = early = null;
      await again(error);
    }
  }
}

// Without a media source the browser does it; which renditions it fetches is its affair.
async function playByItself(me) {
  current = wanted();
  const all = choice === 'auto' || !current;
  const failed = once(video, 'error'), started = once(video, 'loadstart');
  video.src = address(`stream/${stream.name}${all ? '' : `/${current.name}`}.m3u8`);
  begin();
  // What was there before says first that it is gone.
  await started;
  if (me !== run) return;
  const over = failed.then(() => { throw new Over(); });
  await Promise.race([once(video, 'ended'), over, once(video, 'emptied')]);
}

const AWAY = 'The publisher’s connection is lost. Waiting for it …';

// People may have to say that they want to hear it.
let paused = false;
function begin() {
  const playing = video.play();
  if (playing) playing.catch((error) => {
    if (error.name !== 'NotAllowedError' || video.muted) return;
    video.muted = true;
    $('sound').hidden = false;
    video.play().catch(() => say('Press Play.'));
  });
}

// One run after the other, for as long as the page is open.
function restart() {
  go(++run);
}

async function go(me) {
  while (me === run) {
    try {
      if (stream.choices.length) await (Source ? play(me) : playByItself(me));
      // What the server says of it, until there is something to play.
      for (let wait = 1000; me === run; wait = Math.min(wait * 1.5, 15000)) {
        await ask();
        if (stream.state === 'live') break;
        say({
          starting: 'The stream is about to begin …',
          away: AWAY,
          ended: 'The stream has ended. It goes on here when it comes back.',
          offline: 'The stream is offline. It begins here when it comes.',
        }[stream.state]);
        await sleep(wait);
      }
    } catch (error) {
      if (me !== run) return;
      if (error instanceof Over) {
        if (error.message) say(trouble = error.message);
        stream.choices = error.message ? stream.choices : [];
        await sleep(Math.min(1000 * 2 ** failures++, 8000));
      } else {
        await again(error);
      }
    }
  }
}

// What there is to choose, and what it costs.
function show() {
  const all = pictures(), sound = sounds()[0], ladder = all.filter((it) => it.listed);
  const last = all[all.length - 1];
  const rows = [];
  if (all.length) {
    rows.push(['low', 'Data saver', hourly(all[0])]);
    if (ladder.length > 1) rows.push(['auto', 'Auto', `up to ${hourly(ladder[ladder.length - 1]).slice(6)}`]);
    else if (ladder.length) rows.push(['auto', 'Auto', hourly(ladder[0])]);
    rows.push(['best', 'Best', hourly(last)]);
  }
  if (sound) rows.push(['audio', 'Sound only', hourly(sound)]);
  all.slice(1, -1).forEach((it) => rows.push([it.name, words(it), hourly(it)]));
  // A rendition by its name may be one of them. Sound alone may be missing for a while, and stays
  // what was chosen.
  const offered = () => rows.some(([value]) => value === choice);
  if (last && choice !== 'audio' && !offered()) {
    choice = choice === all[0].name ? 'low' : choice === last.name ? 'best' : 'auto';
  }
  const taken = offered() ? choice : last ? 'low' : 'audio';
  const shown = rows.map(String).join();
  if (!rows.length || shown === show.last) return;
  show.last = shown;
  const box = $('choices'), held = document.activeElement && document.activeElement.value;
  box.textContent = '';
  rows.forEach(([value, name, cost]) => {
    const label = document.createElement('label'), input = document.createElement('input');
    Object.assign(input, {type: 'radio', name: 'choice', value, checked: value === taken});
    const what = document.createElement('b'), much = document.createElement('span');
    what.textContent = name;
    much.textContent = cost;
    label.append(input, what, ' ', much);
    box.append(label);
    if (value === held) input.focus();
  });
}

$('choices').addEventListener('change', ({target}) => {
  choice = target.value;
  try { localStorage.setItem('choice', choice); } catch (_) { /* not kept */ }
  stalls = [];
  if (!Source) restart();
  // On a slow link the segment that nobody wants any more would take a minute.
  else if (loading && current && (wanted() || current).name !== current.name) loading.abort();
});
$('play').addEventListener('click', () => {
  paused = !video.paused;
  if (paused) video.pause(); else begin();
});
$('sound').addEventListener('click', () => {
  video.muted = false;
  $('sound').hidden = true;
});
for (const event of ['play', 'pause']) {
  video.addEventListener(event, () => { $('play').textContent = video.paused ? 'Play' : 'Pause'; });
}
video.addEventListener('pause', () => { if (!video.ended) paused = true; });
video.addEventListener('play', () => { paused = false; });
video.addEventListener('waiting', () => { if (video.currentTime) stalls.push(performance.now()); });

// Twice a second: over gaps, and what is to be said.
let last = 0;
setInterval(() => {
  const now = video.currentTime, ranges = video.buffered;
  if (!video.paused && now === last && !video.seeking) {
    for (let at = 0; at < ranges.length; at++) {
      // Before the first picture, and where a segment is missing.
      if (ranges.start(at) > now && ahead() < 0.5) { video.currentTime = ranges.start(at) + 0.01; break; }
    }
  }
  const moves = now !== last;
  last = now;
  stalls = stalls.filter((at) => performance.now() - at < 30000);
  const slow = current && stalls.length && rate && rate < current.average_bps * 1.1;
  if (slow && choice !== 'auto' && !lightest(current)) {
    say(`Your link is too slow for this one: it needs ${speed(current.average_bps)} and gets ${speed(rate)}. ${current.width ? 'Choose Data saver.' : ''}`);
  } else if (moves) {
    say(failures > 1 && trouble ? trouble : slow ? 'Your link is too slow at the moment. It goes on as well as it can.' : stream.state === 'away' ? AWAY : 'Playing live.');
  } else if (now && !video.paused && !video.ended) {
    say(trouble || 'Waiting for the next seconds …');
  }
  if (!Source && moves && current) {
    used += current.average_bps / 16;
    failures = 0;
  }
  $('used').textContent = `${megabytes(used)} used`;
  $('detail').textContent = current && now ? `${words(current)}, ${speed(current.average_bps)}${rate ? `; your link gives ${speed(rate)}` : ''}` : '';
}, 500);

// While the publisher is away the stream's state is asked for, and once a minute what it costs; of
// a young stream not all is known yet.
setTimeout(() => { if (stream.state === 'live') ask().catch(() => {}); }, 10000);
setInterval(() => { if (stream.state === 'away') ask().catch(() => {}); }, 5000);
setInterval(() => { if (stream.state === 'live' && !document.hidden) ask().catch(() => {}); }, 60000);
window.addEventListener('online', () => {
  failures = 0;
  if (!Source || ahead() < 0.5) restart();
});

show();
say(stream.choices.length ? 'Starting …' : $('status').textContent);
restart();
})();
