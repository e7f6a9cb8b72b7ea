'use strict';

// What the server says comes every two seconds; lines are of the last five minutes.
const PERIOD_MS = 2000, KEPT = 150;
// Viewers fetch in bursts, a segment every few seconds: rates are those of so long.
const RATE_MS = 10000;
const POSTER_MS = 10000;
// Whoever presses a button that ends something is asked again for so long.
const SURE_MS = 10000;

const $ = (selector, within = document) => within.querySelector(selector);
const cards = new Map();
let token = sessionStorage.getItem('token') || '';
let timer = 0;

const message = (text) => {
  if ($('#message').textContent !== text) $('#message').textContent = text;
};

const ask = (path, options = {}) => {
  const headers = token ? {authorization: `Bearer ${token}`} : {};
  return fetch(path, {...options, headers, cache: 'no-store', credentials: 'omit'});
};

// Counters of which rates and lines are made. They begin anew with each publisher.
class History {
  constructor() {
    this.samples = [];
    this.points = new Map();
  }

  add(time, counts) {
    const last = this.samples.at(-1);
    if (last && Object.keys(counts).some((name) => counts[name] < last.counts[name])) this.samples = [];
    this.samples.push({time, counts});
    while (this.samples.length > 2 && this.samples[1].time <= time - RATE_MS) this.samples.shift();
  }

  // Per second.
  rate(name) {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    const ms = last.time - first.time;
    return ms > 0 ? (last.counts[name] - first.counts[name]) * 1000 / ms : null;
  }

  point(name, value) {
    const points = this.points.get(name) || [];
    this.points.set(name, points);
    if (value !== null) points.push(value);
    if (points.length > KEPT) points.shift();
    return points;
  }
}

const number = (value, digits) => value.toLocaleString('en', {maximumFractionDigits: digits, minimumFractionDigits: 0});
const bits = (bps) => bps === null ? '…' : bps < 999500 ? `${number(bps / 1000, 0)} kbit/s` : `${number(bps / 1e6, bps < 1e7 ? 1 : 0)} Mbit/s`;
const bytes = (count) => count < 1e6 ? `${number(count / 1000, 0)} kB` : count < 1e9 ? `${number(count / 1e6, count < 1e7 ? 1 : 0)} MB` : `${number(count / 1e9, 1)} GB`;
const time = (secs) => {
  const [days, hours, minutes] = [Math.floor(secs / 86400), Math.floor(secs / 3600) % 24, Math.floor(secs / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.floor(secs)} s`;
};

const element = (name, parent, text) => {
  const made = parent.appendChild(document.createElement(name));
  if (text !== undefined) made.textContent = text;
  return made;
};

const setText = (target, text) => {
  if (target.textContent !== text) target.textContent = text;
};

// A number with its name, and a line of what it was.
const show = (list, name, text, points) => {
  let tile = [...list.children].find((tile) => tile.firstChild.textContent === name);
  if (!tile) {
    tile = element('div', list);
    element('dt', tile, name);
    element('dd', tile);
    const svg = tile.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'svg'));
    svg.setAttribute('viewBox', `0 0 ${KEPT} 28`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'polyline'));
  }
  setText($('dd', tile), text);
  const most = Math.max(...points, 1e-9);
  const place = (value, index) => `${KEPT - points.length + index + 1},${(26 - 24 * value / most).toFixed(1)}`;
  $('polyline', tile).setAttribute('points', points.map(place).join(' '));
};

const act = async (stream, query, done) => {
  try {
    const response = await ask(`streams/${encodeURIComponent(stream)}/kick${query}`, {method: 'POST'});
    message(response.ok ? done : `${stream}: ${(await response.text()).trim()}`);
  } catch {
    message('The server does not answer.');
  }
  look();
};

// The first press asks, the second one does it.
const guard = (button, then) => {
  const words = button.textContent;
  let relax = 0;
  const calm = () => {
    clearTimeout(relax);
    relax = 0;
    button.classList.remove('sure');
    button.textContent = words;
  };
  button.addEventListener('click', () => {
    if (relax) {
      calm();
      then();
      return;
    }
    button.classList.add('sure');
    button.textContent = `${words}: sure?`;
    relax = setTimeout(calm, SURE_MS);
  });
};

const card = (name) => {
  const known = cards.get(name);
  if (known) return known;
  const article = $('#stream').content.firstElementChild.cloneNode(true);
  article.dataset.stream = name;
  $('.name', article).textContent = name;
  guard($('.kick', article), () => act(name, '', `${name} was kicked.`));
  guard($('.ban', article), () => act(name, '?ban=10m', `${name} was kicked, and its publisher is banned for 10 minutes.`));
  const made = {article, history: new History(), renditions: new Map(), since: 0, poster: -Infinity};
  cards.set(name, made);
  return made;
};

const poster = async (name, it, now) => {
  if (now - it.poster < POSTER_MS) return;
  it.poster = now;
  try {
    const response = await ask(`streams/${encodeURIComponent(name)}/poster.jpg`);
    if (response.status !== 200) {
      // Its first keyframe may be on its way.
      it.poster = now - POSTER_MS + PERIOD_MS;
      return;
    }
    const image = $('img', it.article), old = image.src;
    image.src = URL.createObjectURL(await response.blob());
    image.hidden = false;
    if (old) URL.revokeObjectURL(old);
  } catch {
    // The next look says what is the matter.
  }
};

const warnings = (list, all) => {
  const lines = all.map(({text, now, times, last_secs_ago: ago}) => ({
    now,
    text: now ? text : `${time(ago)} ago${times > 1 ? `, ${times} times` : ''}: ${text}`,
  }));
  while (list.children.length > lines.length) list.lastChild.remove();
  lines.forEach(({now, text}, index) => {
    const item = list.children[index] || element('li', list);
    item.className = now ? 'now' : 'past';
    setText(item, text);
  });
};

const STATES = {live: 'live', away: 'publisher missing', ended: 'ended'};

const made = ({name, awake, shed, lag_ms: lag}) => {
  if (name === 'source') return 'as it comes';
  if (!awake) return 'asleep';
  if (shed) return 'one picture a segment';
  return lag > 1000 ? `${number(lag / 1000, 1)} s late` : 'awake';
};

const rows = (body, renditions, it, now) => {
  while (body.children.length > renditions.length) body.lastChild.remove();
  renditions.forEach((rendition, index) => {
    const row = body.children[index] || element('tr', body);
    const history = it.renditions.get(rendition.name) || new History();
    it.renditions.set(rendition.name, history);
    history.add(now, {sent: rendition.sent_bytes});
    const size = rendition.width ? `${rendition.width}×${rendition.height}` : 'sound';
    const fps = rendition.fps ? `, ${number(rendition.fps, 1)} fps` : '';
    const rate = history.rate('sent');
    const cells = [rendition.name, size + fps, made(rendition), bits(rendition.average_bandwidth_bps), number(rendition.viewers, 0), rate === null ? '…' : bits(rate * 8)];
    cells.forEach((text, column) => setText(row.children[column] || element('td', row), text));
  });
};

const stream = (it, status, now) => {
  const {article, history} = it;
  const isLive = status.state === 'live';
  if (it.since !== status.since_unix_secs) history.samples = [];
  it.since = status.since_unix_secs;
  history.add(now, {received: status.received_bytes, sent: status.sent_bytes, video: status.video_messages});
  article.classList.toggle('over', status.state === 'ended');
  const state = $('.state', article);
  setText(state, STATES[status.state]);
  state.classList.toggle('live', isLive);
  const size = status.width ? `${status.width}×${status.height}` : '';
  const facts = [size, status.codecs, status.encoder, `from ${status.publisher}`, `for ${time(status.uptime_secs)}`];
  setText($('.facts', article), facts.filter(Boolean).join(' · '));
  warnings($('.warnings', article), status.warnings);
  const [received, sent, fps] = ['received', 'sent', 'video'].map((name) => history.rate(name));
  const list = $('.numbers', article);
  const tile = (name, value, text) => show(list, name, text, history.point(name, value));
  tile('In', received, bits(isLive ? received === null ? null : received * 8 : 0));
  tile('Out', sent, bits(sent === null ? null : sent * 8));
  tile('Pictures', fps, fps === null ? '…' : `${number(fps, fps < 10 ? 1 : 0)} fps`);
  tile('Lag', status.lag_ms, `${number(status.lag_ms / 1000, 1)} s`);
  tile('Viewers', status.viewers, number(status.viewers, 0));
  const shed = status.renditions.reduce((sum, rendition) => sum + rendition.shed_pictures, 0);
  const lost = status.dropped_pictures + status.failed_pictures + shed;
  tile('Pictures lost', lost, number(lost, 0));
  rows($('tbody', article), status.renditions, it, now);
  $('.actions', article).hidden = !isLive;
  $('.poster', article).hidden = !isLive && $('img', article).hidden;
  list.hidden = $('.scroll', article).hidden = status.state === 'ended';
  if (isLive) poster(status.name, it, now);
};

const totals = new History();

const server = (status, now) => {
  const {process, streams} = status;
  totals.add(now, {received: process.received_bytes, sent: process.sent_bytes, cpu: process.cpu_secs});
  const live = streams.filter(({state}) => state === 'live').length;
  const [received, sent, cpu] = ['received', 'sent', 'cpu'].map((name) => totals.rate(name));
  const list = $('#totals');
  const tile = (name, value, text) => show(list, name, text, totals.point(name, value));
  tile('Streams', live, number(live, 0));
  tile('Viewers', process.viewers, number(process.viewers, 0));
  tile('In', received, bits(received === null ? null : received * 8));
  tile('Out', sent, bits(sent === null ? null : sent * 8));
  const share = cpu === null ? null : cpu * 100 / process.cores;
  const cores = process.cores === 1 ? '1 core' : `${process.cores} cores`;
  tile('Processor', share, share === null ? '…' : `${number(share, 0)} % of ${cores}`);
  const resident = process.resident_bytes || 0;
  tile('Memory', resident, `${bytes(resident)} of ${bytes(process.memory_budget_bytes)}`);
  list.hidden = false;
  setText($('#server'), `version ${status.Version}, up for ${time(status.uptime_secs)}`);
  document.title = live ? `${live} live: feathercast` : 'feathercast';
};

const ORDER = ['live', 'away', 'ended'];

const render = (status) => {
  const now = performance.now();
  server(status, now);
  const streams = [...status.streams];
  streams.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || (a.name < b.name ? -1 : 1));
  const names = new Set(streams.map(({name}) => name));
  for (const [name, {article}] of cards) {
    if (names.has(name)) continue;
    const {src} = $('img', article);
    if (src) URL.revokeObjectURL(src);
    article.remove();
    cards.delete(name);
  }
  streams.forEach((it, index) => {
    const known = card(it.name);
    stream(known, it, now);
    const place = $('#streams').children[index];
    if (place !== known.article) $('#streams').insertBefore(known.article, place || null);
  });
  $('#none').hidden = streams.length > 0;
};

// Nothing stays on the page of whoever has no token any more.
const close = (text) => {
  for (const {article} of cards.values()) article.remove();
  cards.clear();
  $('#totals').hidden = $('#none').hidden = true;
  setText($('#server'), '');
  $('#login').hidden = false;
  message(text);
};

let silent = false;

const look = async () => {
  clearTimeout(timer);
  // Whoever does not look at the page costs nothing.
  if (document.hidden) return;
  const mine = timer = setTimeout(look, 30000);
  const again = () => {
    if (timer !== mine) return;
    clearTimeout(timer);
    timer = setTimeout(look, PERIOD_MS);
  };
  try {
    const response = await ask('status');
    if (response.status === 401) {
      clearTimeout(timer);
      sessionStorage.removeItem('token');
      close(token ? 'This token is wrong.' : 'This server asks for the operator’s token.');
      token = '';
      return;
    }
    if (!response.ok) throw new Error((await response.text()).trim());
    const status = await response.json();
    $('#login').hidden = true;
    if (token) sessionStorage.setItem('token', token);
    if (silent) message('');
    silent = false;
    render(status);
  } catch (error) {
    silent = true;
    message(error instanceof TypeError ? 'The server does not answer. Trying again.' : error.message);
  }
  again();
};

$('#login').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('#token').value.trim();
  $('#token').value = '';
  message('');
  look();
});
document.addEventListener('visibilitychange', look);
look();
