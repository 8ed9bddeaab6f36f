#!/usr/bin/perl
# The application behind the service: a page, an answer that takes three seconds, and the two hooks (which believe everybody).
use strict;
use warnings;
use IO::Socket::INET;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1:8000', Listen => 64, ReuseAddr => 1) or die "listen: $!";
$SIG{CHLD} = 'IGNORE';
while (my $client = $listener->accept) {
    next if fork;
    answer($client);
    exit;
}

sub answer {
    my ($client) = @_;
    local $/ = "\r\n";
    my ($method, $path) = split / /, <$client> // '';
    my %field;
    while (defined(my $line = <$client>)) {
        chomp $line;
        last if $line eq '';
        my ($name, $value) = split /:\s*/, $line, 2;
        $field{lc $name} = $value;
    }
    read $client, my $body, $field{'content-length'} // 0;
    my $signed_in = ($field{cookie} // '') =~ /sessionid=ana/;
    if ($path eq '/_qr/whoami') {
        return $signed_in ? say_to($client, 200, '', '{"user_id":"42","name":"ana"}') : say_to($client, 401, '', '{}');
    }
    if ($path eq '/_qr/login') {
        return say_to($client, 401, '', '{}') unless $field{'webhook-signature'};
        return say_to($client, 200, "Set-Cookie: sessionid=ana; Path=/; HttpOnly\r\n", '{}');
    }
    if ($path eq '/slow') {
        print $client "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n";
        for my $part ('a', 'b', 'c') { $client->flush; sleep 1; print $client "$part\n" }
        return;
    }
    say_to($client, $path eq '/' ? 200 : 404, '', "the application\n");
}

sub say_to {
    my ($client, $status, $fields, $body) = @_;
    print $client "HTTP/1.1 $status OK\r\n${fields}Content-Type: application/json\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n$body";
}
