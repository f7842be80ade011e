"""Links that open the mini-program from elsewhere: from a browser, a message or a mail."""
