# The eleven operations on one host, as root. Before it stand two lines that set `host` and `mark`.
set -eu
config=/etc/toy/config.json
[ "$(systemctl is-active toy-v1)" = active ]            # 1 probe V1
python3 --version                                       # 2 Python's version
stat --format='%F %a %U %s' "$config"                   # 3 stat
mkdir -p /var/lib/toy/backup                            # 4 directory
cp --preserve "$config" /var/lib/toy/backup/config.json # 5 backup
cat >/etc/systemd/system/toy-v2.service <<UNIT          # 6 unit
[Unit]
Description=Toy service, new version ($mark)

[Service]
Type=exec
ExecStart=/usr/bin/python3 /opt/toy/server.py 8001 /etc/toy/config.json
TimeoutStopSec=10

[Install]
WantedBy=multi-user.target
UNIT
systemctl stop toy-v1                                   # 7 stop V1
cat >"$config" <<CONFIG                                 # 8 config
{"version": 2, "host": "$host", "mark": "$mark"}
CONFIG
systemctl daemon-reload                                 # 9 start V2
systemctl start toy-v2
[ "$(systemctl is-active toy-v2)" = active ]            # 10 probe V2
# 11 wait for HTTP: wait.bash stands after this.
