"""The pages: the registry for people with a browser, served or as a static site, onto the same workflows."""
