/** Something that the person in front of the page can mend; its message says how. */
export class PageError extends Error {}
