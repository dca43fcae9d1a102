/** The report of a version, for programs. */
export const REPORT_FILE = 'report.json';
/** The same for people. */
export const REPORT_PAGE = 'report.html';
/** Small pictures of the images that the report names: JSON, data URIs by name. */
export const REPORT_PICTURES = 'report-pictures.json';
