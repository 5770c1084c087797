"""From a route table to the handler of a request: definitions, resources, matcher, dispatcher."""
