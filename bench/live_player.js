// A player of a few lines for bench/live.py: MediaSource fed by a WebSocket of ours or by the peer's HTTP; what it saw.
// look({socket} | {wall, camera} | {http, codec}, seconds) -> {told, came, first, behind[], skipped, dark, drawn, dropped}; seconds 0: the first picture.
// One socket for all tiles, as the console has it: wall(url) -> (camera, hear) -> leave.
window.wall = (url) => {
	const socket = new WebSocket(url);
	const views = new Map();
	socket.binaryType = 'arraybuffer';
	socket.onmessage = ({ data }) => {
		if (typeof data === 'string') {
			const word = JSON.parse(data);
			views.get(word.view)?.(word);
		} else views.get(new DataView(data).getUint32(0))?.(new Uint8Array(data, 4));
	};
	let last = 0;
	return (camera, hear) => {
		const view = ++last;
		views.set(view, hear);
		const ask = () => socket.send(JSON.stringify({ view, camera, purpose: 'duty' }));
		if (socket.readyState === 1) ask();
		else socket.addEventListener('open', ask);
		return () => {
			views.delete(view);
			socket.send(JSON.stringify({ view, leave: true }));
			if (!views.size) socket.close();
		};
	};
};
window.look = (open, seconds) =>
	new Promise((done) => {
		const began = performance.now();
		const said = { told: null, came: null, first: null, behind: [], skipped: 0, dark: 0, drawn: 0, dropped: 0 };
		const source = new MediaSource();
		const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, width: 240 });
		const queue = [];
		let buffer;
		let base = null; // s since 1970 that media time zero is shown for
		let end = () => {};
		document.body.append(video);
		video.src = URL.createObjectURL(source);

		function timeOf(data) {
			for (let i = 4; i < data.length - 16; i++)
				if (data[i] === 116 && data[i + 1] === 102 && data[i + 2] === 100 && data[i + 3] === 116)
					return Number(new DataView(data.buffer, data.byteOffset + i + 8, 8).getBigUint64(0)) / 90000; // tfdt
			return null;
		}
		function pump() {
			if (!buffer || buffer.updating) return;
			if (queue.length) {
				const data = queue.shift();
				if (base === null && (base = timeOf(data)) !== null) buffer.timestampOffset = -base;
				return buffer.appendBuffer(data);
			}
			const held = video.buffered;
			if (!held.length) return;
			const edge = held.end(held.length - 1);
			if (video.currentTime < held.start(0) || edge - video.currentTime > 1)
				video.currentTime = Math.max(held.start(0), edge - 0.1);
			video.playbackRate = edge - video.currentTime > 0.35 ? 1.1 : 1;
			if (video.currentTime - held.start(0) > 20) buffer.remove(0, video.currentTime - 10);
		}
		function set(codec) {
			const go = () => {
				if (!buffer) {
					buffer = source.addSourceBuffer(`video/mp4; codecs="${codec}"`);
					buffer.mode = 'segments';
					buffer.onupdateend = pump;
				}
				pump();
			};
			if (source.readyState === 'open') go();
			else source.addEventListener('sourceopen', go);
		}
		function put(data) {
			queue.push(data);
			pump();
		}
		let over = false;
		function finish() {
			if (over) return;
			over = true;
			end();
			said.dropped = video.getVideoPlaybackQuality().droppedVideoFrames;
			video.remove();
			URL.revokeObjectURL(video.src);
			video.removeAttribute('src'); // Chromium opens 75 players a page and no more until some are let go
			video.load();
			done(said);
		}
		function drawn(_, frame) {
			const now = performance.now();
			said.drawn++;
			if (said.first === null) said.first = now - began;
			else if (now - began > 3000) said.behind.push(performance.timeOrigin + now - (base + frame.mediaTime) * 1000);
			if (seconds === 0) return finish();
			video.requestVideoFrameCallback(drawn);
		}
		video.requestVideoFrameCallback(drawn);
		setTimeout(finish, seconds > 0 ? seconds * 1000 : 20_000); // a picture that does not come at all is told as none

		function hear(data) {
			if (data instanceof Uint8Array) {
				said.came ??= performance.now() - began; // the init segment, and with it the pictures
				return put(data);
			}
			said.told ??= performance.now() - began;
			if (data.init) set(data.init.codec);
			if (data.skipped) said.skipped += data.skipped;
			if (data.dark) said.dark++;
			if (data.closed) {
				said.closed = `${data.closed} ${JSON.stringify(data.fields)}`;
				if (said.first === null) finish();
			}
		}
		if (open.wall) end = open.wall(open.camera, hear);
		else if (open.socket) {
			const socket = new WebSocket(open.socket);
			socket.binaryType = 'arraybuffer';
			socket.onmessage = ({ data }) => hear(typeof data === 'string' ? JSON.parse(data) : new Uint8Array(data));
			socket.onclose = (event) => hear({ closed: event.code, fields: event.reason });
			end = () => {
				socket.onclose = null;
				socket.close();
			};
		} else {
			const stop = new AbortController();
			end = () => stop.abort();
			base = 0;
			set(open.codec);
			fetch(open.http, { signal: stop.signal })
				.then(async (answer) => {
					const reader = answer.body.getReader();
					for (;;) {
						const { done: over, value } = await reader.read();
						if (over) return;
						put(value);
					}
				})
				.catch(() => undefined);
		}
	});
null;
