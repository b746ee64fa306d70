"""report.html: one page that says what a run did, to somebody who was not there."""
