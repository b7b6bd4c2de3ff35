/** Something that the person in front of the page can correct; its message says how. */
export class PageError extends Error {}
