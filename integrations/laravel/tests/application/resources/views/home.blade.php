@extends('page')
@section('content')
@auth
<p>You are signed in as {{ auth()->user()->name }}.</p>
<!-- signed in -->
<form method="post" action="/logout">@csrf <button>Sign out</button></form>
@else
<p>You are not signed in.</p>
<p><a href="/login">Sign in</a></p>
@endauth
@endsection
