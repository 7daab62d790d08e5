"""Where models are trained: the tracking servers that know which run made one."""
