// A player of a few lines for bench/live.py: MediaSource fed by a WebSocket of ours or by the peer's HTTP; what it saw.
// look({socket} | {http, codec}, seconds) -> {open, told, came, first, behind[], skipped, dark, drawn, dropped}; seconds 0: the first picture.
window.look = (open, seconds) =>
	new Promise((done) => {
		const began = performance.now();
		const said = { open: null, told: null, came: null, first: null, behind: [], skipped: 0, dark: 0, drawn: 0, dropped: 0 };
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
		function finish() {
			end();
			said.dropped = video.getVideoPlaybackQuality().droppedVideoFrames;
			video.remove();
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
		if (seconds > 0) setTimeout(finish, seconds * 1000);

		if (open.socket) {
			const socket = new WebSocket(open.socket);
			socket.binaryType = 'arraybuffer';
			socket.onopen = () => (said.open = performance.now() - began);
			socket.onmessage = ({ data }) => {
				if (typeof data !== 'string') {
					if (said.told !== null) said.came ??= performance.now() - began; // the init segment, and with it the pictures
					return put(new Uint8Array(data));
				}
				said.told ??= performance.now() - began;
				const word = JSON.parse(data);
				if (word.init) set(word.init.codec);
				if (word.skipped) said.skipped += word.skipped;
				if (word.dark) said.dark++;
			};
			socket.onclose = (event) => {
				said.closed = `${event.code} ${event.reason}`;
				if (said.first === null) finish();
			};
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
