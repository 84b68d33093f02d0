// One question for the whole page: prove again who you are. Whoever asked waits for the answer.

let waiting = $state.raw<((proved: boolean) => void) | null>(null);

export const proof = {
	get asked(): boolean { return waiting !== null; }
};

/** Ask; true when the person proved himself. Calls that come while it is open wait for the same answer. */
export function askForProof(): Promise<boolean> {
	return new Promise((done) => {
		const before = waiting;
		waiting = (proved) => {
			before?.(proved);
			done(proved);
		};
	});
}

export function answerProof(proved: boolean): void {
	const told = waiting;
	waiting = null;
	told?.(proved);
}
