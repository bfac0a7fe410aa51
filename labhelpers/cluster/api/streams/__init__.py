"""What flows between kubectl and a pod: exec, attach, logs, port-forward, over WebSocket and SPDY/3.1."""
