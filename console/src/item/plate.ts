// The parts of a Kazakhstan number plate, so that it is drawn the way it is seen on the road. Pure.

export interface PlateParts {
	/** In the order they are read, with the gaps between them. */
	groups: string[];
	/** Code of the region in its own box on the right (pattern of 2012), or null. */
	region: string | null;
}

/** 777 ABC | 02 and 123 AB | 05 (2012), A 123 BCD (1993); anything else as it stands. */
export function plateParts(plate: string): PlateParts {
	const now = /^(\d{3})([A-Z]{2,3})(\d{2})$/.exec(plate);
	if (now) return { groups: [now[1]!, now[2]!], region: now[3]! };
	const before = /^([A-Z])(\d{3})([A-Z]{2,3})$/.exec(plate);
	if (before) return { groups: [before[1]!, before[2]!, before[3]!], region: null };
	return { groups: [plate], region: null };
}

/** The plate in words for a reader of screens and for one line of text. */
export function plateText(plate: string): string {
	const { groups, region } = plateParts(plate);
	return region ? [...groups, region].join(' ') : groups.join(' ');
}

const twins: Record<string, string> = {
	А: 'A', В: 'B', С: 'C', Е: 'E', Н: 'H', К: 'K', М: 'M', О: 'O', Р: 'P', Т: 'T', Х: 'X', У: 'Y', І: 'I', Ү: 'Y'
};

/** As the server normalises: upper case, Latin, no spaces or dashes. Null when it cannot be a plate. */
export function normalPlate(text: string): string | null {
	const plain = text
		.toUpperCase()
		.replace(/[\s-]/g, '')
		.replace(/[^A-Z0-9]/g, (letter) => twins[letter] ?? letter);
	return /^[A-Z0-9]{1,12}$/.test(plain) ? plain : null;
}
