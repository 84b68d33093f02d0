import '../app.css';
import { mount } from 'svelte';
import { preferred, setLanguage } from '../i18n/index.svelte';
import { applyTheme, byHour } from '../shell/theme.svelte';
import App from './App.svelte';

applyTheme(byHour(new Date().getHours()));
await setLanguage(preferred());
mount(App, { target: document.getElementById('app')! });
if (import.meta.env.PROD && 'serviceWorker' in navigator) void navigator.serviceWorker.register('/sw.js', { scope: '/tablet' });
