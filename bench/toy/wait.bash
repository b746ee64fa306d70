# Waits, for at most 10 s, until port 8001 of this host answers an HTTP request with 200. For bash: no curl is on the hosts.
for _ in {1..500}; do
    if { exec 3<>/dev/tcp/127.0.0.1/8001; } 2>/dev/null; then
        printf 'GET / HTTP/1.0\r\n\r\n' >&3
        read -r _ status _ <&3
        exec 3>&-
        if [ "$status" = 200 ]; then exit 0; fi
    fi
    sleep 0.02
done
echo "no answer on port 8001" >&2
exit 1
