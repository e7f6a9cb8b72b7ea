# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_feathercast_global_optspecs
    string join \n config= rtmp-addr= http-addr= tls-cert= tls-key= acme= acme-folder= acme-directory= acme-ca= rtmps-addr= https-addr= trusted-proxies= admin-addr= admin-token= admin-hosts= event-webhook= event-webhook-secret= renditions= transcode= decoder= current-manifest= no-page= unlisted= segment-duration= playlist-segments= max-streams= auth-webhook= forward= viewer-secret= viewers-max= memory= publish-key= keys= allow-unlisted= log-format= v/verbose h/help V/version
end

function __fish_feathercast_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_feathercast_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_feathercast_using_subcommand
    set -l cmd (__fish_feathercast_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c feathercast -n "__fish_feathercast_needs_command" -l config -d 'Read settings from this TOML file (docs/feathercast.toml is a commented example)' -r -F
complete -c feathercast -n "__fish_feathercast_needs_command" -l rtmp-addr -d 'Where publishers connect by RTMP [default: 0.0.0.0:1935]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l http-addr -d 'Where viewers fetch HLS [default: 0.0.0.0:8935]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l tls-cert -d 'Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when it changes' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l tls-key -d 'The certificate\'s private key, in PEM' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l acme -d 'Instead of files: have certificates for these names, comma-separated, from an authority by ACME, and agree to its terms. It must reach --https-addr on port 443, or --http-addr on port 80' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l acme-folder -d 'With --acme: where the account and the certificates are kept [default: acme]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l acme-directory -d 'With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l acme-ca -d 'With --acme: trust the certificates in this PEM file, instead of Mozilla\'s, for the authority\'s own server' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l rtmps-addr -d 'With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l https-addr -d 'With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: 0.0.0.0:8936]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l trusted-proxies -d 'Proxies whose word counts on where connections and requests are from: addresses and networks, comma-separated' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l admin-addr -d 'Where the operator gets /status and /metrics [default: 127.0.0.1:7935]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l admin-token -d 'Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; needed where --admin-addr is not loopback (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l admin-hosts -d 'Names, comma-separated, that the operator\'s port may be asked by besides addresses and localhost' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l event-webhook -d 'URL that is told by POST, in JSON, when a stream starts, stops or gets worse' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l event-webhook-secret -d 'With --event-webhook: secret that events are signed with, HMAC-SHA256 (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l renditions -d 'Presets, comma-separated, or a JSON file; empty passes the source through only [default: P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l transcode -d 'When renditions are made: on-demand (while somebody fetches them) or always [default: on-demand]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l decoder -d 'Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l current-manifest -d 'Serve the newest live stream as /stream/current.m3u8' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l no-page -d 'Serve no pages: no list of streams at /, no /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l unlisted -d 'List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name watches at /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l segment-duration -d 'Length of a segment, 1s to 10s [default: 2s]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l playlist-segments -d 'Segments a playlist lists, 6 to 60 [default: 6]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l max-streams -d 'Publishers at once [default: 10]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l auth-webhook -d 'URL that is asked by POST whether somebody may publish (MediaMTX\'s contract; any 2xx allows)' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l forward -d 'Streams that go on to other servers while they are live, NAME=rtmp[s]://HOST/APP/KEY,...; a name may be there several times (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l viewer-secret -d 'Secret that viewers\' tokens are made with; without a token (`feathercast token NAME --for 2h`) nobody watches then (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l viewers-max -d 'Viewers at once; who comes later is told to come again (503) [default: as many as connections allow]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l memory -d 'Memory that the process may use, for example 512M or 2G [default: half of the machine\'s or the container\'s]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l publish-key -d 'Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by environment or file: others see flags)' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l keys -d 'Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); with it no other name may publish without a key' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l allow-unlisted -d 'With --keys: let names that are not listed publish all the same' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -l log-format -d 'Log as text for people or as one JSON object a line [default: text]' -r
complete -c feathercast -n "__fish_feathercast_needs_command" -s v -l verbose -d 'Log more: -v debug, -vv trace'
complete -c feathercast -n "__fish_feathercast_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c feathercast -n "__fish_feathercast_needs_command" -s V -l version -d 'Print version'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "serve" -d 'Takes streams by RTMP and serves them as HLS (the default command)'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "publish" -d 'Sends files or a test signal to an RTMP server, in real time'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "check" -d 'Follows a stream as a player would and says whether it is good: exit code 0, also where it has ended well, or 1 with the reasons; Ctrl-C prints what there is so far'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "demo" -d 'Serves on loopback, publishes the test signal as hello_world, checks it, and stays up'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "doctor" -d 'Says whether a server would run well on this machine, line by line, and what to do: exit code 0, or 1 where it would not run'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "config" -d 'Checks or prints the settings of `serve`'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "key" -d 'Makes secrets'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "token" -d 'Makes a token that lets somebody watch a stream for a while, where the server has a --viewer-secret'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "install" -d 'Makes a systemd service of it: the binary, a file of settings and a unit'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "uninstall" -d 'Takes back what `install` wrote, and keeps settings that were changed'
complete -c feathercast -n "__fish_feathercast_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l config -d 'Read settings from this TOML file (docs/feathercast.toml is a commented example)' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l rtmp-addr -d 'Where publishers connect by RTMP [default: 0.0.0.0:1935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l http-addr -d 'Where viewers fetch HLS [default: 0.0.0.0:8935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l tls-cert -d 'Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when it changes' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l tls-key -d 'The certificate\'s private key, in PEM' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l acme -d 'Instead of files: have certificates for these names, comma-separated, from an authority by ACME, and agree to its terms. It must reach --https-addr on port 443, or --http-addr on port 80' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l acme-folder -d 'With --acme: where the account and the certificates are kept [default: acme]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l acme-directory -d 'With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l acme-ca -d 'With --acme: trust the certificates in this PEM file, instead of Mozilla\'s, for the authority\'s own server' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l rtmps-addr -d 'With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l https-addr -d 'With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: 0.0.0.0:8936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l trusted-proxies -d 'Proxies whose word counts on where connections and requests are from: addresses and networks, comma-separated' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l admin-addr -d 'Where the operator gets /status and /metrics [default: 127.0.0.1:7935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l admin-token -d 'Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; needed where --admin-addr is not loopback (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l admin-hosts -d 'Names, comma-separated, that the operator\'s port may be asked by besides addresses and localhost' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l event-webhook -d 'URL that is told by POST, in JSON, when a stream starts, stops or gets worse' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l event-webhook-secret -d 'With --event-webhook: secret that events are signed with, HMAC-SHA256 (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l renditions -d 'Presets, comma-separated, or a JSON file; empty passes the source through only [default: P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l transcode -d 'When renditions are made: on-demand (while somebody fetches them) or always [default: on-demand]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l decoder -d 'Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l current-manifest -d 'Serve the newest live stream as /stream/current.m3u8' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l no-page -d 'Serve no pages: no list of streams at /, no /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l unlisted -d 'List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name watches at /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l segment-duration -d 'Length of a segment, 1s to 10s [default: 2s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l playlist-segments -d 'Segments a playlist lists, 6 to 60 [default: 6]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l max-streams -d 'Publishers at once [default: 10]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l auth-webhook -d 'URL that is asked by POST whether somebody may publish (MediaMTX\'s contract; any 2xx allows)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l forward -d 'Streams that go on to other servers while they are live, NAME=rtmp[s]://HOST/APP/KEY,...; a name may be there several times (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l viewer-secret -d 'Secret that viewers\' tokens are made with; without a token (`feathercast token NAME --for 2h`) nobody watches then (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l viewers-max -d 'Viewers at once; who comes later is told to come again (503) [default: as many as connections allow]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l memory -d 'Memory that the process may use, for example 512M or 2G [default: half of the machine\'s or the container\'s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l publish-key -d 'Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by environment or file: others see flags)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l keys -d 'Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); with it no other name may publish without a key' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l allow-unlisted -d 'With --keys: let names that are not listed publish all the same' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -l log-format -d 'Log as text for people or as one JSON object a line [default: text]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -s v -l verbose -d 'Log more: -v debug, -vv trace'
complete -c feathercast -n "__fish_feathercast_using_subcommand serve" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l ca -d 'For rtmps: trust the authorities in this PEM file instead of Mozilla\'s' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l for -d 'End after this time, for example 30s' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l progress -d 'How often to say how it goes; 0s never [default: 1s on a terminal, in a line that is always written anew, else 60s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l size -d 'Test signal: picture size [default: 1280x720]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l fps -d 'Test signal: pictures a second, for example 25, 29.97 or 30000/1001 [default: 30]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l bitrate -d 'Test signal: most bits a second for the picture, for example 2500k or 4M [default: 2500k]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l keyframe-interval -d 'Test signal: time from one keyframe to the next [default: 2s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l loop -d 'Start again after the last file, without a gap, until stopped'
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -l strict -d 'Files: end with exit code 1 at the first thing that is damaged or cannot be sent. Without it, that is left out and named, the rest is sent, and the exit code at the end is 3'
complete -c feathercast -n "__fish_feathercast_using_subcommand publish" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand check" -l ca -d 'For https: trust the authorities in this PEM file instead of Mozilla\'s' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand check" -l for -d 'How long to follow the stream [default: 10s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand check" -l wait -d 'How long to wait for a stream that is just starting; 0s does not wait [default: 15s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand check" -l json -d 'Print the report as JSON'
complete -c feathercast -n "__fish_feathercast_using_subcommand check" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand demo" -l for -d 'End by itself after this time, for example 30s; the exit code says whether all was good until then' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand demo" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l config -d 'Read settings from this TOML file (docs/feathercast.toml is a commented example)' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l rtmp-addr -d 'Where publishers connect by RTMP [default: 0.0.0.0:1935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l http-addr -d 'Where viewers fetch HLS [default: 0.0.0.0:8935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l tls-cert -d 'Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when it changes' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l tls-key -d 'The certificate\'s private key, in PEM' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l acme -d 'Instead of files: have certificates for these names, comma-separated, from an authority by ACME, and agree to its terms. It must reach --https-addr on port 443, or --http-addr on port 80' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l acme-folder -d 'With --acme: where the account and the certificates are kept [default: acme]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l acme-directory -d 'With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l acme-ca -d 'With --acme: trust the certificates in this PEM file, instead of Mozilla\'s, for the authority\'s own server' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l rtmps-addr -d 'With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l https-addr -d 'With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: 0.0.0.0:8936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l trusted-proxies -d 'Proxies whose word counts on where connections and requests are from: addresses and networks, comma-separated' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l admin-addr -d 'Where the operator gets /status and /metrics [default: 127.0.0.1:7935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l admin-token -d 'Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; needed where --admin-addr is not loopback (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l admin-hosts -d 'Names, comma-separated, that the operator\'s port may be asked by besides addresses and localhost' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l event-webhook -d 'URL that is told by POST, in JSON, when a stream starts, stops or gets worse' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l event-webhook-secret -d 'With --event-webhook: secret that events are signed with, HMAC-SHA256 (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l renditions -d 'Presets, comma-separated, or a JSON file; empty passes the source through only [default: P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l transcode -d 'When renditions are made: on-demand (while somebody fetches them) or always [default: on-demand]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l decoder -d 'Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l current-manifest -d 'Serve the newest live stream as /stream/current.m3u8' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l no-page -d 'Serve no pages: no list of streams at /, no /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l unlisted -d 'List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name watches at /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l segment-duration -d 'Length of a segment, 1s to 10s [default: 2s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l playlist-segments -d 'Segments a playlist lists, 6 to 60 [default: 6]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l max-streams -d 'Publishers at once [default: 10]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l auth-webhook -d 'URL that is asked by POST whether somebody may publish (MediaMTX\'s contract; any 2xx allows)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l forward -d 'Streams that go on to other servers while they are live, NAME=rtmp[s]://HOST/APP/KEY,...; a name may be there several times (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l viewer-secret -d 'Secret that viewers\' tokens are made with; without a token (`feathercast token NAME --for 2h`) nobody watches then (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l viewers-max -d 'Viewers at once; who comes later is told to come again (503) [default: as many as connections allow]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l memory -d 'Memory that the process may use, for example 512M or 2G [default: half of the machine\'s or the container\'s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l publish-key -d 'Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by environment or file: others see flags)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l keys -d 'Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); with it no other name may publish without a key' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l allow-unlisted -d 'With --keys: let names that are not listed publish all the same' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -l log-format -d 'Log as text for people or as one JSON object a line [default: text]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -s v -l verbose -d 'Log more: -v debug, -vv trace'
complete -c feathercast -n "__fish_feathercast_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and not __fish_seen_subcommand_from check print help" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and not __fish_seen_subcommand_from check print help" -f -a "check" -d 'Says everything that is wrong with the file, the environment and the flags, read as `serve` reads them: exit code 0, or 2 with a line for each problem'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and not __fish_seen_subcommand_from check print help" -f -a "print" -d 'Prints the settings that `serve` would run with as a TOML file, and where those that are not the defaults are from; keys as their SHA-256, other secrets not at all'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and not __fish_seen_subcommand_from check print help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Read settings from this TOML file (docs/feathercast.toml is a commented example)' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l rtmp-addr -d 'Where publishers connect by RTMP [default: 0.0.0.0:1935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l http-addr -d 'Where viewers fetch HLS [default: 0.0.0.0:8935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l tls-cert -d 'Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when it changes' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l tls-key -d 'The certificate\'s private key, in PEM' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l acme -d 'Instead of files: have certificates for these names, comma-separated, from an authority by ACME, and agree to its terms. It must reach --https-addr on port 443, or --http-addr on port 80' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l acme-folder -d 'With --acme: where the account and the certificates are kept [default: acme]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l acme-directory -d 'With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l acme-ca -d 'With --acme: trust the certificates in this PEM file, instead of Mozilla\'s, for the authority\'s own server' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l rtmps-addr -d 'With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l https-addr -d 'With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: 0.0.0.0:8936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l trusted-proxies -d 'Proxies whose word counts on where connections and requests are from: addresses and networks, comma-separated' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l admin-addr -d 'Where the operator gets /status and /metrics [default: 127.0.0.1:7935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l admin-token -d 'Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; needed where --admin-addr is not loopback (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l admin-hosts -d 'Names, comma-separated, that the operator\'s port may be asked by besides addresses and localhost' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l event-webhook -d 'URL that is told by POST, in JSON, when a stream starts, stops or gets worse' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l event-webhook-secret -d 'With --event-webhook: secret that events are signed with, HMAC-SHA256 (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l renditions -d 'Presets, comma-separated, or a JSON file; empty passes the source through only [default: P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l transcode -d 'When renditions are made: on-demand (while somebody fetches them) or always [default: on-demand]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l decoder -d 'Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l current-manifest -d 'Serve the newest live stream as /stream/current.m3u8' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l no-page -d 'Serve no pages: no list of streams at /, no /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l unlisted -d 'List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name watches at /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l segment-duration -d 'Length of a segment, 1s to 10s [default: 2s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l playlist-segments -d 'Segments a playlist lists, 6 to 60 [default: 6]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l max-streams -d 'Publishers at once [default: 10]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l auth-webhook -d 'URL that is asked by POST whether somebody may publish (MediaMTX\'s contract; any 2xx allows)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l forward -d 'Streams that go on to other servers while they are live, NAME=rtmp[s]://HOST/APP/KEY,...; a name may be there several times (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l viewer-secret -d 'Secret that viewers\' tokens are made with; without a token (`feathercast token NAME --for 2h`) nobody watches then (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l viewers-max -d 'Viewers at once; who comes later is told to come again (503) [default: as many as connections allow]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l memory -d 'Memory that the process may use, for example 512M or 2G [default: half of the machine\'s or the container\'s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l publish-key -d 'Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by environment or file: others see flags)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l keys -d 'Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); with it no other name may publish without a key' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l allow-unlisted -d 'With --keys: let names that are not listed publish all the same' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -l log-format -d 'Log as text for people or as one JSON object a line [default: text]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Log more: -v debug, -vv trace'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l config -d 'Read settings from this TOML file (docs/feathercast.toml is a commented example)' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l rtmp-addr -d 'Where publishers connect by RTMP [default: 0.0.0.0:1935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l http-addr -d 'Where viewers fetch HLS [default: 0.0.0.0:8935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l tls-cert -d 'Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when it changes' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l tls-key -d 'The certificate\'s private key, in PEM' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l acme -d 'Instead of files: have certificates for these names, comma-separated, from an authority by ACME, and agree to its terms. It must reach --https-addr on port 443, or --http-addr on port 80' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l acme-folder -d 'With --acme: where the account and the certificates are kept [default: acme]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l acme-directory -d 'With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l acme-ca -d 'With --acme: trust the certificates in this PEM file, instead of Mozilla\'s, for the authority\'s own server' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l rtmps-addr -d 'With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l https-addr -d 'With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: 0.0.0.0:8936]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l trusted-proxies -d 'Proxies whose word counts on where connections and requests are from: addresses and networks, comma-separated' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l admin-addr -d 'Where the operator gets /status and /metrics [default: 127.0.0.1:7935]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l admin-token -d 'Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; needed where --admin-addr is not loopback (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l admin-hosts -d 'Names, comma-separated, that the operator\'s port may be asked by besides addresses and localhost' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l event-webhook -d 'URL that is told by POST, in JSON, when a stream starts, stops or gets worse' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l event-webhook-secret -d 'With --event-webhook: secret that events are signed with, HMAC-SHA256 (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l renditions -d 'Presets, comma-separated, or a JSON file; empty passes the source through only [default: P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l transcode -d 'When renditions are made: on-demand (while somebody fetches them) or always [default: on-demand]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l decoder -d 'Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l current-manifest -d 'Serve the newest live stream as /stream/current.m3u8' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l no-page -d 'Serve no pages: no list of streams at /, no /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l unlisted -d 'List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name watches at /watch/NAME' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l segment-duration -d 'Length of a segment, 1s to 10s [default: 2s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l playlist-segments -d 'Segments a playlist lists, 6 to 60 [default: 6]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l max-streams -d 'Publishers at once [default: 10]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l auth-webhook -d 'URL that is asked by POST whether somebody may publish (MediaMTX\'s contract; any 2xx allows)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l forward -d 'Streams that go on to other servers while they are live, NAME=rtmp[s]://HOST/APP/KEY,...; a name may be there several times (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l viewer-secret -d 'Secret that viewers\' tokens are made with; without a token (`feathercast token NAME --for 2h`) nobody watches then (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l viewers-max -d 'Viewers at once; who comes later is told to come again (503) [default: as many as connections allow]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l memory -d 'Memory that the process may use, for example 512M or 2G [default: half of the machine\'s or the container\'s]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l publish-key -d 'Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by environment or file: others see flags)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l keys -d 'Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); with it no other name may publish without a key' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l allow-unlisted -d 'With --keys: let names that are not listed publish all the same' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -l log-format -d 'Log as text for people or as one JSON object a line [default: text]' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -s v -l verbose -d 'Log more: -v debug, -vv trace'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Says everything that is wrong with the file, the environment and the flags, read as `serve` reads them: exit code 0, or 2 with a line for each problem'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "print" -d 'Prints the settings that `serve` would run with as a TOML file, and where those that are not the defaults are from; keys as their SHA-256, other secrets not at all'
complete -c feathercast -n "__fish_feathercast_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feathercast -n "__fish_feathercast_using_subcommand key; and not __fish_seen_subcommand_from new help" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand key; and not __fish_seen_subcommand_from new help" -f -a "new" -d 'Makes a publish key for a name, and the line of the settings file that lets it in'
complete -c feathercast -n "__fish_feathercast_using_subcommand key; and not __fish_seen_subcommand_from new help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feathercast -n "__fish_feathercast_using_subcommand key; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "new" -d 'Makes a publish key for a name, and the line of the settings file that lets it in'
complete -c feathercast -n "__fish_feathercast_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feathercast -n "__fish_feathercast_using_subcommand token" -l for -d 'How long the token is good, for example 2h or 30m' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand token" -l config -d 'Read viewer_secret from this TOML file' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand token" -l viewer-secret -d 'The secret of the server that is to take the token (better set by environment or file)' -r
complete -c feathercast -n "__fish_feathercast_using_subcommand token" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand install" -l root -d 'The folder that stands for /, for images of other machines' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand install" -l overwrite -d 'Replace a binary and a unit that were changed since they were installed, too'
complete -c feathercast -n "__fish_feathercast_using_subcommand install" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand uninstall" -l root -d 'The folder that stands for /, for images of other machines' -r -F
complete -c feathercast -n "__fish_feathercast_using_subcommand uninstall" -s h -l help -d 'Print help'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "serve" -d 'Takes streams by RTMP and serves them as HLS (the default command)'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "publish" -d 'Sends files or a test signal to an RTMP server, in real time'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "check" -d 'Follows a stream as a player would and says whether it is good: exit code 0, also where it has ended well, or 1 with the reasons; Ctrl-C prints what there is so far'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "demo" -d 'Serves on loopback, publishes the test signal as hello_world, checks it, and stays up'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "doctor" -d 'Says whether a server would run well on this machine, line by line, and what to do: exit code 0, or 1 where it would not run'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "config" -d 'Checks or prints the settings of `serve`'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "key" -d 'Makes secrets'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "token" -d 'Makes a token that lets somebody watch a stream for a while, where the server has a --viewer-secret'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "install" -d 'Makes a systemd service of it: the binary, a file of settings and a unit'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "uninstall" -d 'Takes back what `install` wrote, and keeps settings that were changed'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and not __fish_seen_subcommand_from serve publish check demo doctor config key token install uninstall help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Says everything that is wrong with the file, the environment and the flags, read as `serve` reads them: exit code 0, or 2 with a line for each problem'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "print" -d 'Prints the settings that `serve` would run with as a TOML file, and where those that are not the defaults are from; keys as their SHA-256, other secrets not at all'
complete -c feathercast -n "__fish_feathercast_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "new" -d 'Makes a publish key for a name, and the line of the settings file that lets it in'
