<?php
// Sign a visitor in from a PHP backend (8.0 or newer, no packages).
//
// SIGNING_SECRET=… php sign_token.php SUBJECT NAME SHARE_URL

declare(strict_types=1);

// The address to send a signed-in visitor to. Make a new one for every visit.
function visitor_url(string $share_url, string $subject, string $name, string $secret): string
{
    $now = time();
    $header = ['alg' => 'HS256', 'typ' => 'JWT'];
    $claims = [
        'sub' => $subject, // who it is: the same text for the same person, for ever
        'name' => $name, // what operators see
        'iss' => 'portal', // the issuer's name in shareauth
        'aud' => 'shareauth',
        'iat' => $now,
        'exp' => $now + 600, // time to open the link, not to chat
    ];
    $signed = base64url(json_encode($header, JSON_THROW_ON_ERROR))
        . '.' . base64url(json_encode($claims, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE));
    $signature = base64url(hash_hmac('sha256', $signed, $secret, true));
    return "{$share_url}&authToken={$signed}.{$signature}";
}

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

[, $subject, $name, $share_url] = $argv;
echo visitor_url($share_url, $subject, $name, getenv('SIGNING_SECRET')), PHP_EOL;
